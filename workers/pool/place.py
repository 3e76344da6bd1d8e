"""A place in a pool, and a thread's turn to get one.

Invariant: a place is in one thread's hands at a time, and a waiter's bell rings once.
"""

from __future__ import annotations

from threading import TIMEOUT_MAX, Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from workers.pool.places import Places

T = TypeVar("T")


class Place(Generic[T]):
    """A place for one member, and what the pool remembers of the member in it."""

    __slots__ = (
        "aside",
        "broken",
        "checked_at",
        "errors",
        "expires_at",
        "filled",
        "generation",
        "home",
        "idle_since",
        "lent_at",
        "member",
        "uses",
    )
    member: T  # unset until `filled`

    def __init__(self, home: Places[T], *, generation: int, aside: bool = False) -> None:
        self.home = home
        self.generation = generation  # how often the pool had been drained before the member was begun
        self.aside = aside  # in the pool's own hands, to be made or checked ahead of need
        self.filled = False
        self.expires_at = self.idle_since = self.checked_at = self.lent_at = 0.0  # on the pool's clock
        self.uses = self.errors = 0
        self.broken = False


class Waiter(Generic[T]):
    """A thread that waits for a place.

    A lock that is released when the time has come: what a `Future` or an `Event` does with several.

    Attributes:
        since: When it came, on the pool's clock.
        rung: Whether its wait is over.
        place: What it was given then; None: nothing, for the pool was closed.
    """

    __slots__ = ("_bell", "place", "rung", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.rung = False
        self.place: Place[T] | None = None
        self._bell = Lock()
        self._bell.acquire()

    def wait(self, timeout: float) -> bool:
        """Whether the bell rang within so many seconds."""
        return self._bell.acquire(timeout=min(max(timeout, 0.0), TIMEOUT_MAX))

    def ring(self, place: Place[T] | None) -> None:
        """End the wait."""
        self.place = place
        self.rung = True
        self._bell.release()
