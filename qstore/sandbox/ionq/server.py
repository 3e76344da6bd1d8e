"""The stand-in as a process: uvicorn, one line when it is ready, a prompt end on SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import socket
import sys
from asyncio import Transport

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qstore.sandbox.ionq.app import PREFIX
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.drop import ABORT

_GRACE = 1  # seconds a request may still take after the signal
_SWITCH_INTERVAL = 0.001  # seconds; a busy simulation hands over to the requests this soon


def serve(app: Starlette, counters: Counters, host: str, port: int) -> None:
    """Serve until a signal comes.

    Args:
        app: The stand-in.
        counters: Where its connections are counted.
        host: The address to listen on.
        port: The port; 0 picks a free one.

    Raises:
        OSError: If the address cannot be had.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    config = uvicorn.Config(
        app,
        http=_protocol(counters),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ended)
    with _listen(host, port) as listener:
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"IonQ stand-in ready at http://{name}:{port}{PREFIX}", flush=True)  # noqa: T201 - the ready line


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def _protocol(counters: Counters) -> type[HttpToolsProtocol]:
    class CountedProtocol(HttpToolsProtocol):
        """Counts each connection at its first question to the API, lets it be dropped, and sends without delay.

        Head and body of an answer are two small writes; without TCP_NODELAY the second waits for the
        client's delayed acknowledgment, 40 ms.
        """

        _counted = False

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
            super().connection_made(transport)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def on_headers_complete(self) -> None:
            self.scope["state"][ABORT] = self.transport.abort
            super().on_headers_complete()
            if not self._counted and self.scope["path"].startswith(PREFIX):
                self._counted = True
                counters.connections += 1

    return CountedProtocol


def _ended(_number: int, _frame: object) -> None:
    """What uvicorn raises again once it has shut down; the process ends by itself, with status 0."""
