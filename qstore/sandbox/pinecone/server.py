"""The stand-in as a process, on loopback only."""

from __future__ import annotations

import ipaddress

from starlette.applications import Starlette

from qstore.sandbox.pinecone.control import FRESH
from qstore.sandbox.web import server
from qstore.sandbox.web.server import Protocol


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
    server.serve(app, _Protocol, host, port, name="Pinecone", path="", lifespan="off")


class _Protocol(Protocol):
    """Tells a connection's first request."""

    _fresh = True

    def on_headers_complete(self) -> None:
        self.scope["state"][FRESH], self._fresh = self._fresh, False
        super().on_headers_complete()
