"""What a fault is and when it strikes; what it then does is each kind's own affair.

A fault strikes a request that matches its endpoint, after those it spares, with its probability, as often as it
counts and as long as it lasts. Chance comes from its own seed, so a run of requests repeats exactly.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from qstore.sandbox.ionq.strict import Strict

EVERYWHERE = "*"
"""The endpoint that stands for every endpoint a fault of its kind can strike."""

Work = Callable[[], Awaitable[Response]]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Fault(Strict):
    """When something goes wrong. Without any of `count`, `probability` and `seconds` it does so once.

    Attributes:
        kind: What goes wrong.
        endpoint: Where, as in the counts: `POST /jobs`, `GET /jobs/{id}`; `*` for wherever it can.
        count: How often at most.
        probability: For each request that matches.
        seconds: For how long from now.
        after: How many requests that match are spared first.
        seed: Of every chance this fault takes.
    """

    confined_to: ClassVar[frozenset[str]] = frozenset()
    """The only endpoints this kind can strike; empty for all."""

    lasting: ClassVar[bool] = False
    """Whether it goes on until it is deleted where nothing says when it ends."""

    kind: str
    endpoint: str = EVERYWHERE
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    seed: int = 0

    @model_validator(mode="after")
    def _can_strike(self) -> Fault:
        if self.confined_to and self.endpoint != EVERYWHERE and self.endpoint not in self.confined_to:
            raise ValueError(f"`endpoint` can only be * or {' or '.join(sorted(self.confined_to))} for {self.kind}")
        return self

    @property
    def limit(self) -> int | None:
        """How often it strikes at most; None for any number of times."""
        unbounded = self.lasting or self.probability is not None or self.seconds is not None
        return self.count or (None if unbounded else 1)

    def matches(self, endpoint: str) -> bool:
        """Whether requests to an endpoint are its business."""
        return self.endpoint in (EVERYWHERE, endpoint) and (not self.confined_to or endpoint in self.confined_to)


class ExchangeFault(Fault):
    """Spoils how a request is answered. Of those that would, the first does."""

    def spares(self, request: Request) -> bool:  # noqa: ARG002 - for those kinds that look
        """Whether a request is in order, so that there is no reason to strike."""
        return False

    @abstractmethod
    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        """Answer a request.

        Args:
            request: What was asked.
            work: Does what was asked and gives the proper answer; called at most once.
            chance: The fault's own.
        """


Subject = TypeVar("Subject")


class ContentFault(Fault, Generic[Subject]):
    """Changes what a request that succeeded brought about or is told. All that strike do."""

    def fits(self, subject: Subject) -> bool:  # noqa: ARG002 - for those kinds that look
        """Whether it could change anything."""
        return True

    @abstractmethod
    def change(self, subject: Subject, chance: random.Random) -> None:
        """Change it in place."""


class Armed:
    """A fault on its way, and what has become of it.

    Args:
        id: Its number.
        fault: Which.
        now: Seconds on a clock that never goes back.
    """

    def __init__(self, id: int, fault: Fault, now: float) -> None:  # noqa: A002 - as the documents call it
        self.id = id
        self.fault = fault
        self.left = fault.limit
        self.struck = 0
        self.chance = random.Random(fault.seed)  # noqa: S311 - a repeatable draw
        self._spared = 0
        self._ends = None if fault.seconds is None else now + fault.seconds

    def active(self, now: float) -> bool:
        """Whether it may strike still."""
        return self.left != 0 and (self._ends is None or now < self._ends)

    def strikes(self, endpoint: str, now: float, spares: Callable[[], bool] = lambda: False) -> bool:
        """Whether a request is struck; it counts as one that was, or was spared.

        Args:
            endpoint: What is asked.
            now: Seconds on the clock it was armed by.
            spares: Whether the fault finds nothing to strike; asked last.
        """
        if not (self.fault.matches(endpoint) and self.active(now)):
            return False
        if self._spared < self.fault.after:
            self._spared += 1
            return False
        if self.fault.probability is not None and self.chance.random() >= self.fault.probability:
            return False
        if spares():
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True

    def document(self, now: float) -> dict[str, Any]:
        """It as JSON: as it was given, with `id`, `left`, `struck` and `active`."""
        given = self.fault.model_dump(exclude_unset=True)
        return {
            "id": self.id,
            **given,
            "endpoint": self.fault.endpoint,
            "left": self.left,
            "struck": self.struck,
            "active": self.active(now),
        }
