"""The stand-in's own endpoints, under /sandbox: no part of IonQ's API, not counted, and open to anyone.

`/sandbox/stats` tells what was asked and taken on, `/sandbox/ledger` what was bought, `/sandbox/faults` what is to go
wrong, and `/sandbox/characterizations` has machines characterized anew.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qstore.sandbox.ionq.backends import BACKENDS
from qstore.sandbox.ionq.book import Book
from qstore.sandbox.ionq.characterizations import Characterizations
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.faults import Faults, InvalidFaultError
from qstore.sandbox.ionq.refusal import Refusal


class Control:
    """Every such endpoint as a method.

    Args:
        counters: What was counted.
        book: What was bought.
        faults: What is to go wrong.
        characterizations: Of every machine.
    """

    def __init__(self, counters: Counters, book: Book, faults: Faults, characterizations: Characterizations) -> None:
        self._counters = counters
        self._book = book
        self._faults = faults
        self._characterizations = characterizations

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/sandbox/stats", self.get_stats, methods=["GET"]),
            Route("/sandbox/ledger", self.get_ledger, methods=["GET"]),
            Route("/sandbox/faults", self.get_faults, methods=["GET"]),
            Route("/sandbox/faults", self.add_faults, methods=["POST"]),
            Route("/sandbox/faults", self.delete_faults, methods=["DELETE"]),
            Route("/sandbox/characterizations", self.characterize, methods=["POST"]),
        ]

    async def get_stats(self, _request: Request) -> Response:
        """GET /sandbox/stats."""
        return JSONResponse({**self._counters.document(), **self._book.figures()})

    async def get_ledger(self, _request: Request) -> Response:
        """GET /sandbox/ledger."""
        return JSONResponse({"jobs": self._book.documents()})

    async def get_faults(self, _request: Request) -> Response:
        """GET /sandbox/faults."""
        return JSONResponse({"faults": self._faults.documents()})

    async def add_faults(self, request: Request) -> Response:
        """POST /sandbox/faults: a fault or a list of them."""
        try:
            added = self._faults.add(json.loads(await request.body()))
        except InvalidFaultError as error:
            return Refusal(400, str(error)).response()
        except ValueError:
            return Refusal(400, "the body is a fault or a list of faults, as JSON").response()
        return JSONResponse({"faults": added}, 201)

    async def delete_faults(self, _request: Request) -> Response:
        """DELETE /sandbox/faults."""
        self._faults.clear()
        return JSONResponse({"faults": []})

    async def characterize(self, request: Request) -> Response:
        """POST /sandbox/characterizations: the name of a machine, which is characterized anew; none for all of them."""
        named = (await request.body()).decode()
        machines = {name: backend for name, backend in BACKENDS.items() if not backend.simulator}
        if named and named not in machines:
            return Refusal(400, f"the body is the name of a machine: {', '.join(machines)}").response()
        wanted = [machines[named]] if named else machines.values()
        return JSONResponse({each.name: self._characterizations.measure(each) for each in wanted}, 201)
