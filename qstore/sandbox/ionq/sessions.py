"""Sessions: a reservation of a backend, within limits, until somebody ends it or its time is up.

Its state is read off the clock, as a job's is. A job that would pass a limit is refused before it is one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from qstore.sandbox.ionq.backends import BACKENDS, Backend
from qstore.sandbox.ionq.documents import ORGANIZATION_ID, PROJECT_ID, USER_ID, timestamp
from qstore.sandbox.ionq.order import Order
from qstore.sandbox.ionq.pricing import order_price
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.strict import Strict, reason

MOST_SESSIONS = 10_000
"""How many are remembered; the oldest are forgotten first."""

_Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _CostLimit(Strict):
    unit: Literal["usd"]
    value: Annotated[float, Field(ge=0)]


class _Limits(Strict):
    job_count_limit: _Count | None = None
    duration_limit_min: _Count | None = None
    cost_limit: _CostLimit | None = None


class _Body(Strict):
    backend: str
    settings: _Limits = _Limits()


_BODY = TypeAdapter(_Body)


@dataclass(slots=True, eq=False)
class Session:
    """One session.

    Attributes:
        id: A UUID.
        backend: The only one its jobs run on.
        limits: As asked.
        created_at: Epoch seconds.
        started_at: Epoch seconds of its first job.
        closed_at: Epoch seconds at which somebody ended it.
        jobs: How many it took in.
        cost: US dollars they would cost, all completed.
    """

    id: str
    backend: Backend
    limits: _Limits
    created_at: float
    started_at: float | None = None
    closed_at: float | None = None
    jobs: int = 0
    cost: float = 0.0

    @property
    def expires_at(self) -> float | None:
        """Epoch seconds at which it ends by itself, if it does."""
        minutes = self.limits.duration_limit_min
        return None if minutes is None else self.created_at + 60 * minutes

    def ended_at(self, now: float) -> float | None:
        """Epoch seconds of its end, None as long as it is active."""
        if self.closed_at is not None:
            return self.closed_at
        expiry = self.expires_at
        return expiry if expiry is not None and expiry <= now else None

    def end(self, now: float) -> None:
        """End it; the first end counts."""
        if self.ended_at(now) is None:
            self.closed_at = now

    def document(self, now: float) -> dict[str, Any]:
        """The session as JSON."""
        ended_at = self.ended_at(now)
        settings = self.limits.model_dump(exclude_none=True)
        if self.expires_at is not None:
            settings["expires_at"] = timestamp(self.expires_at)
        return {
            "id": self.id,
            "created_at": timestamp(self.created_at),
            "organization_id": ORGANIZATION_ID,
            "backend": self.backend.name,
            "project_id": PROJECT_ID,
            "creator_id": USER_ID,
            "ended_at": None if ended_at is None else timestamp(ended_at),
            "ender_id": None if self.closed_at is None else USER_ID,
            "settings": settings,
            "active": ended_at is None,
            "status": "ended" if ended_at is not None else "created" if self.started_at is None else "started",
            "started_at": None if self.started_at is None else timestamp(self.started_at),
        }


class Sessions:
    """Keeps sessions.

    Args:
        clock: Epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def create(self, body: bytes) -> Session:
        """Open a session as the body of POST /sessions asks.

        Raises:
            Refusal: With status 400 and the reason.
        """
        try:
            asked = _BODY.validate_json(body)
        except ValidationError as error:
            raise Refusal(400, reason(error)) from None
        backend = BACKENDS.get(asked.backend)
        if backend is None:
            raise Refusal(400, f"there is no backend {asked.backend!r}")
        session = Session(str(uuid.uuid4()), backend, asked.settings, self._clock())
        self._sessions[session.id] = session
        if len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def find(self, session_id: str) -> Session:
        """The session of that id.

        Raises:
            Refusal: With status 404 if there is none.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise Refusal(404, "there is no such session")
        return session

    def known(self, *, active: bool | None) -> list[Session]:
        """The sessions, most recent first; only those that are active, or ended, if asked."""
        now = self._clock()
        return [
            session
            for session in reversed(self._sessions.values())
            if active is None or active == (session.ended_at(now) is None)
        ]

    def admit(self, order: Order) -> None:
        """Count a job in with the session it names, if it names one.

        Raises:
            Refusal: With status 400 if that session does not take it.
        """
        if order.session_id is None:
            return
        session = self._sessions.get(order.session_id)
        now = self._clock()
        if session is None or session.ended_at(now) is not None:
            raise Refusal(400, "session_id: there is no such session, or it has ended")
        if session.backend is not order.backend:
            raise Refusal(400, f"session_id: that session is on {session.backend.name}")
        limits = session.limits
        if limits.job_count_limit is not None and session.jobs >= limits.job_count_limit:
            raise Refusal(400, f"session_id: that session takes {limits.job_count_limit} jobs, no more")
        cost = session.cost + order_price(order)
        if limits.cost_limit is not None and cost > limits.cost_limit.value:
            raise Refusal(400, f"session_id: that session may cost {limits.cost_limit.value} US dollars, no more")
        session.jobs += 1
        session.cost = cost
        if session.started_at is None:
            session.started_at = now
