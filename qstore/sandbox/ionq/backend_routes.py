"""The endpoints for backends and how they were characterized."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq.backends import BACKENDS, Backend
from qstore.sandbox.ionq.characterizations import Characterizations
from qstore.sandbox.ionq.documents import backend
from qstore.sandbox.ionq.reading import backend_of, instant, whole
from qstore.sandbox.ionq.refusal import Refusal

_MOST = 10  # characterizations in one page


class BackendEndpoints:
    """Each endpoint as a method.

    Args:
        characterizations: Of every machine.
        clock: Epoch seconds.
    """

    def __init__(self, characterizations: Characterizations, clock: Callable[[], float]) -> None:
        self._characterizations = characterizations
        self._clock = clock

    async def get_all(self, _request: Request) -> Response:
        """GET /backends."""
        return JSONResponse([self._document(each) for each in BACKENDS.values()])

    async def get(self, request: Request) -> Response:
        """GET /backends/{backend}."""
        return JSONResponse(self._document(backend_of(request)))

    async def get_characterizations(self, request: Request) -> Response:
        """GET /backends/{backend}/characterizations."""
        query = request.query_params
        start = instant(query.get("start"), "start", -math.inf)
        end = instant(query.get("end"), "end", math.inf)
        limit = whole(query.get("limit"), "limit", _MOST, least=1, most=_MOST)
        skipped = limit * (whole(query.get("page"), "page", 1, least=1) - 1)
        found = self._characterizations.between(backend_of(request), start, end)
        left = math.ceil(max(0, len(found) - skipped - limit) / limit)
        return JSONResponse({"characterizations": found[skipped : skipped + limit], "pages": left})

    async def get_characterization(self, request: Request) -> Response:
        """GET /backends/{backend}/characterizations/{characterization}."""
        found = self._characterizations.find(backend_of(request), request.path_params["characterization"].lower())
        if found is None:
            raise Refusal(404, "there is no such characterization")
        return JSONResponse(found)

    def _document(self, described: Backend) -> dict[str, object]:
        return backend(described, self._characterizations.current(described), self._clock())
