"""The stand-in as a process: uvicorn on loopback, one line when it is ready, a prompt end on SIGTERM or SIGINT."""

from __future__ import annotations

import ipaddress
import signal
import socket
from asyncio import Transport

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qstore.sandbox.pinecone.control import FRESH
from qstore.sandbox.pinecone.faults import ABORT

_GRACE = 1  # seconds a request may still take after the signal


def serve(app: Starlette, host: str, port: int) -> None:
    """Serve until a signal comes.

    Args:
        app: The stand-in.
        host: The address to listen on, which no other machine reaches.
        port: The port; 0 picks a free one.

    Raises:
        ValueError: If other machines reach the address.
        OSError: If the address cannot be had.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{host} is not an address of loopback")
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ended)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=1024) as listener:
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"Pinecone stand-in ready at http://{name}:{port}", flush=True)  # noqa: T201 - the ready line


class _Protocol(HttpToolsProtocol):
    """Tells a connection's first request, lets the connection be dropped, and sends head and body without delay."""

    _fresh = True

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_headers_complete(self) -> None:
        self.scope["state"][FRESH], self._fresh = self._fresh, False
        self.scope["state"][ABORT] = self.transport.abort
        super().on_headers_complete()


def _ended(_number: int, _frame: object) -> None:
    """What uvicorn raises again once it has shut down; the process ends by itself, with status 0."""
