"""The stand-in's own endpoints, under /sandbox: no part of Pinecone's API, not counted, and open to anyone.

`/sandbox/faults` is told what is to go wrong, `/sandbox/stats` tells what was asked.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qstore.sandbox.pinecone.faults import Faults

FRESH = "fresh"
"""Under which a request's state holds whether it is the first of its connection; the server puts it there."""


class Asked:
    """What was asked so far."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._connections = 0

    def add(self, endpoint: str, request: Request) -> None:
        """Count a request, and its connection with the first one."""
        self._requests[endpoint] += 1
        self._connections += request.scope["state"][FRESH]

    def document(self) -> dict[str, Any]:
        """It as JSON."""
        return {"requests": dict(self._requests), "connections": self._connections}


class Control:
    """Every such endpoint as a method.

    Args:
        faults: What is to go wrong.
        asked: What was asked.
    """

    def __init__(self, faults: Faults, asked: Asked) -> None:
        self._faults = faults
        self._asked = asked

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/sandbox/faults", self.get_faults, methods=["GET"]),
            Route("/sandbox/faults", self.add_fault, methods=["POST"]),
            Route("/sandbox/faults", self.delete_faults, methods=["DELETE"]),
            Route("/sandbox/stats", self.get_stats, methods=["GET"]),
        ]

    async def get_faults(self, _request: Request) -> Response:
        """GET /sandbox/faults: those that have not struck as often as they may."""
        return JSONResponse({"faults": self._faults.documents()})

    async def add_fault(self, request: Request) -> Response:
        """POST /sandbox/faults: one fault."""
        try:
            self._faults.add(json.loads(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"faults": self._faults.documents()}, 201)

    async def delete_faults(self, _request: Request) -> Response:
        """DELETE /sandbox/faults."""
        self._faults.clear()
        return JSONResponse({"faults": []})

    async def get_stats(self, _request: Request) -> Response:
        """GET /sandbox/stats: how often each endpoint was asked, and over how many connections."""
        return JSONResponse(self._asked.document())
