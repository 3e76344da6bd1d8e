"""The endpoints for sessions."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq.documents import ORGANIZATION_ID
from qstore.sandbox.ionq.reading import body_of, flag
from qstore.sandbox.ionq.sessions import Sessions


class SessionEndpoints:
    """Each endpoint as a method.

    Args:
        sessions: Keeps the sessions.
        clock: Epoch seconds.
    """

    def __init__(self, sessions: Sessions, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def create(self, request: Request) -> Response:
        """POST /sessions."""
        session = self._sessions.create(await body_of(request))
        return JSONResponse(session.document(session.created_at), 201)

    async def get_all(self, request: Request) -> Response:
        """GET /sessions."""
        active = flag(request.query_params.get("active"), "active")
        now = self._clock()
        found = [session.document(now) for session in self._sessions.known(active=active)]
        return JSONResponse({"organization_id": ORGANIZATION_ID, "sessions": found})

    async def get(self, request: Request) -> Response:
        """GET /sessions/{session_id}."""
        session = self._sessions.find(request.path_params["session_id"])
        return JSONResponse(session.document(self._clock()))

    async def end(self, request: Request) -> Response:
        """POST /sessions/{session_id}/end; its jobs go on."""
        session = self._sessions.find(request.path_params["session_id"])
        now = self._clock()
        session.end(now)
        return JSONResponse(session.document(now))
