"""Who holds what, and for how long: what was taken and forgotten is found by its taker's name.

Invariant: nothing of the taker is kept but where its code stands; no local of its is kept alive.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Generic, TypeVar

from workers.pool.place import Place

T = TypeVar("T")

_BETWEEN = (str(Path(__file__).parent), str(contextlib.__file__))


@cache
def _is_between(file: str) -> bool:
    """Whether code stands between the taker and here; asked for every frame, so it is looked up once for a file."""
    return file.startswith(_BETWEEN)


@dataclass(slots=True)
class Holder:
    """Who has a member.

    Attributes:
        code: Of the function that took it.
        line: In that code's file.
        thread: The thread's name.
        since: On the pool's clock.
        told: Whether it was warned of.
    """

    code: CodeType
    line: int
    thread: str
    since: float
    told: bool = False

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line} in {self.code.co_qualname}, thread {self.thread!r}"


class Leaks(Generic[T]):
    """Members that are out.

    Args:
        after: Seconds after which one counts as forgotten.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._holders: dict[Place[T], Holder] = {}  # each move is one operation on it, so it needs no lock

    def lent(self, place: Place[T], now: float) -> None:
        """A member goes out, to whoever called into the pool."""
        frame = inspect.currentframe()
        while frame is not None and frame.f_back is not None and _is_between(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:  # as it always is in CPython
            self._holders[place] = Holder(frame.f_code, frame.f_lineno, threading.current_thread().name, now)

    def returned(self, place: Place[T]) -> None:
        """It is back."""
        self._holders.pop(place, None)

    def overdue(self, now: float) -> Iterator[tuple[Holder, float]]:
        """Each holder once whose member is out for too long, and for how many seconds."""
        for holder in [*self._holders.values()]:
            held = now - holder.since
            if held >= self._after and not holder.told:
                holder.told = True
                yield holder, held
