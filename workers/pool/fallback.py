"""Where a member comes from while its own pool is exhausted: another pool of the same.

Invariant: what was lent goes back to the pool it is of.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from qstore.errors import PoolTimeout, TooManyRequests
from workers.pool.desk import Desk
from workers.pool.place import Place

T = TypeVar("T")


class Lender(Protocol[T]):
    """What lends and takes back: a desk, or one with another behind it."""

    def obtain(self, timeout: float) -> Place[T]:
        """A place whose member is fit for use, within so many seconds of waiting."""

    def give_back(self, place: Place[T], error: BaseException | None) -> None:
        """Take a place back, and what the use of its member raised."""


class Fallback(Generic[T]):
    """Asks another lender where the first is exhausted.

    Args:
        desk: Who is asked first.
        other: Who is asked then, for what is left of the time.
        after: Seconds to wait for the first, if there are as many.
    """

    def __init__(self, desk: Desk[T], other: Lender[T], after: float) -> None:
        self._desk = desk
        self._other = other
        self._after = after

    def obtain(self, timeout: float) -> Place[T]:
        """A place of either, within so many seconds of waiting for both.

        Raises:
            PoolClosed: One that was asked is not open.
            PoolTimeout: None became free in time.
            TooManyRequests: As many threads wait for both as may.
        """
        desk = self._desk
        began = desk.clock()
        try:
            return desk.obtain(min(timeout, self._after))
        except (PoolTimeout, TooManyRequests) as error:
            with desk.lock:
                desk.places.tally.fell_back += 1
            if desk.events is not None:
                desk.events.tell("fell_back", "timeout" if isinstance(error, PoolTimeout) else "refused")
        return self._other.obtain(max(0.0, timeout - (desk.clock() - began)))

    def give_back(self, place: Place[T], error: BaseException | None) -> None:
        """Take a place back to where it is of."""
        lender = self._desk if place.home is self._desk.places else self._other
        lender.give_back(place, error)
