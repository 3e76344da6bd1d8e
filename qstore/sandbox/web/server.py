"""A stand-in as a process: uvicorn, one line when it is ready, a prompt end on SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import socket
from asyncio import Transport
from typing import Literal

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qstore.sandbox.web.drop import ABORT

_GRACE = 1  # seconds a request may still take after the signal


class Protocol(HttpToolsProtocol):
    """Lets a connection be dropped, and sends without delay.

    Head and body of an answer are two small writes; without TCP_NODELAY the second waits for the client's delayed
    acknowledgment, 40 ms.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Turn the delay off."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_headers_complete(self) -> None:
        """Tell the request how its connection is closed at once."""
        self.scope["state"][ABORT] = self.transport.abort
        super().on_headers_complete()


def serve(
    app: Starlette,
    protocol: type[Protocol],
    host: str,
    port: int,
    *,
    name: str,
    path: str,
    lifespan: Literal["on", "off"],
) -> None:
    """Serve until a signal comes.

    Args:
        app: The stand-in.
        protocol: Of its connections.
        host: The address to listen on.
        port: The port; 0 picks a free one.
        name: Whose stand-in the ready line says it is.
        path: What the URL in that line ends with.
        lifespan: Whether the app is told of its beginning and end.

    Raises:
        OSError: If the address cannot be had.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan=lifespan,
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
        _Server(config, name, path).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, name: str, path: str) -> None:
        super().__init__(config)
        self._name = name
        self._path = path

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            at = f"[{host}]" if ":" in host else host
            print(f"{self._name} stand-in ready at http://{at}:{port}{self._path}", flush=True)  # noqa: T201 - the ready line


def _ended(_number: int, _frame: object) -> None:
    """What uvicorn raises again once it has shut down; the process ends by itself, with status 0."""
