"""Members of a pool that can be watched, the workshop they come from, and a clock turned by hand."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workers.pool import Pool


@dataclass(eq=False)
class Member:
    """One member; it knows when two threads use it at once."""

    number: int
    closed: bool = False
    fit: bool = True
    in_hand: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Workshop:
    """Makes members and closes them; either fails when the test says so."""

    def __init__(self) -> None:
        self.made: list[Member] = []
        self.closed: list[int] = []
        self._numbers = itertools.count()
        self.before_making: Callable[[], object] = lambda: None
        self.before_closing: Callable[[], object] = lambda: None

    def make(self) -> Member:
        self.before_making()
        member = Member(next(self._numbers))
        self.made.append(member)
        return member

    def close(self, member: Member) -> None:
        assert not member.closed, "closed twice"
        member.closed = True
        self.closed.append(member.number)
        self.before_closing()

    def pool(self, **options: Any) -> Pool[Member]:
        """A pool of such members, open."""
        pool = Pool(self.make, self.close, **options)
        pool.open()
        return pool


def lend(pool: Pool[Member], count: int) -> None:
    """Have so many members out at once, and back again."""
    for member in [pool.take() for _ in range(count)]:
        pool.release(member)
