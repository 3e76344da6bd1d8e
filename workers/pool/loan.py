"""A member lent for the length of a `with` block.

Invariant: it goes back once, with whatever the block raised.
"""

from __future__ import annotations

from types import TracebackType
from typing import Generic, TypeVar

from workers.pool.fallback import Lender
from workers.pool.place import Place

T = TypeVar("T")


class Loan(Generic[T]):
    """What `Pool.acquire` returns: a generator made a context manager would cost as much again as the rest.

    Args:
        lender: Whose member.
        timeout: Seconds to wait for one.
    """

    __slots__ = ("_lender", "_place", "_timeout")

    def __init__(self, lender: Lender[T], timeout: float) -> None:
        self._lender = lender
        self._timeout = timeout
        self._place: Place[T] | None = None

    def __enter__(self) -> T:
        if self._place is not None:
            raise RuntimeError("A loan is for one `with` block at a time.")
        self._place = place = self._lender.obtain(self._timeout)
        return place.member

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        place, self._place = self._place, None
        if place is not None:
            self._lender.give_back(place, error)
