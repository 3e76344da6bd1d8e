"""The stand-in as a process, which counts its connections."""

from __future__ import annotations

import sys

from starlette.applications import Starlette

from qstore.sandbox.ionq.app import PREFIX
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.web import server
from qstore.sandbox.web.server import Protocol

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
    server.serve(app, _protocol(counters), host, port, name="IonQ", path=PREFIX, lifespan="on")


def _protocol(counters: Counters) -> type[Protocol]:
    class CountedProtocol(Protocol):
        """Counts each connection at its first question to the API."""

        _counted = False

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            if not self._counted and self.scope["path"].startswith(PREFIX):
                self._counted = True
                counters.connections += 1

    return CountedProtocol
