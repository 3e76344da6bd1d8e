"""The endpoints for backends and how they were characterized, which was once: when the stand-in began."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq.backends import BACKENDS
from qstore.sandbox.ionq.documents import backend, characterization
from qstore.sandbox.ionq.reading import backend_of, instant, whole
from qstore.sandbox.ionq.refusal import Refusal

_MOST = 10  # characterizations in one page


class BackendEndpoints:
    """Each endpoint as a method.

    Args:
        clock: Epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._measured_at = clock()

    async def get_all(self, _request: Request) -> Response:
        """GET /backends."""
        now = self._clock()
        return JSONResponse([backend(each, now) for each in BACKENDS.values()])

    async def get(self, request: Request) -> Response:
        """GET /backends/{backend}."""
        return JSONResponse(backend(backend_of(request), self._clock()))

    async def get_characterizations(self, request: Request) -> Response:
        """GET /backends/{backend}/characterizations."""
        query = request.query_params
        found = characterization(backend_of(request), self._measured_at)
        start = instant(query.get("start"), "start", -math.inf)
        end = instant(query.get("end"), "end", math.inf)
        limit = whole(query.get("limit"), "limit", _MOST, least=1, most=_MOST)
        skipped = limit * (whole(query.get("page"), "page", 1, least=1) - 1)
        listed = [found] if found is not None and start <= self._measured_at < end else []
        return JSONResponse({"characterizations": listed[skipped : skipped + limit], "pages": 0})

    async def get_characterization(self, request: Request) -> Response:
        """GET /backends/{backend}/characterizations/{characterization}."""
        found = characterization(backend_of(request), self._measured_at)
        if found is None or found["id"] != request.path_params["characterization"].lower():
            raise Refusal(404, "there is no such characterization")
        return JSONResponse(found)
