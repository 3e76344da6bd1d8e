"""A pool of anything that is slow to make and used by one thread at a time.

Invariant: a member is in one thread's hands at a time, and threads are served in the order they came. There is no
thread of the pool's own, and no member made before a fork is used after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from qstore.errors import PoolTimeout
from workers.pool.craft import Craft
from workers.pool.desk import Desk
from workers.pool.places import Limits, Place
from workers.pool.stats import PoolStats

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Pool(Generic[T]):
    """Members, made when they are first needed and lent to one thread at a time.

    Of the idle members the one used last is lent first. What `make` raises comes out of the call that needed the
    member; its place is free again by then.

    Args:
        make: Makes a member; its own deadline is the only one while it does.
        close: Closes one; what it raises is logged.
        min_size: Members kept, however long unused; `wait` and `maintain` make those that are missing.
        max_size: Members at most; one that is being closed no longer counts.
        timeout: Seconds a thread waits for a member.
        max_waiting: Threads that may wait; 0: any number.
        max_lifetime: Seconds after which a member is replaced, up to 10 % less so that not all are at once.
        max_idle: Seconds after which an unused member is closed, at the next acquire, release or `maintain`.
        max_uses: Uses after which a member is replaced; 0: never.
        max_errors: Exceptions among its uses after which a member is replaced; one that is no `Exception`, such as
            an interrupt, replaces it at once.
        is_fatal: Whether an exception says that the member it came from is broken and has to be replaced at once.
        check: Raises or returns False for a member that is broken, each time before one is lent again; None: no check.
        name: For messages and stats.
        clock: Seconds, never going back.

    Raises:
        ValueError: The limits contradict each other.
    """

    def __init__(
        self,
        make: Callable[[], T],
        close: Callable[[T], object],
        *,
        min_size: int = 0,
        max_size: int = 4,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 3600.0,
        max_idle: float = 600.0,
        max_uses: int = 0,
        max_errors: int = 1,
        is_fatal: Callable[[BaseException], bool] = lambda _: False,
        check: Callable[[T], object] | None = None,
        name: str = "pool",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = Limits(
            min_size=min_size,
            max_size=max_size,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            max_uses=max_uses,
            max_errors=max_errors,
        )
        self._desk = Desk(Craft(name, make, close, check, is_fatal), limits, clock)
        self._timeout = timeout
        self._clock = clock
        self._taken: dict[int, Place[T]] = {}

    def __repr__(self) -> str:
        return f"<Pool {self._desk!r}>"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the life of the pool -------------------------------------------------------------------------------

    def open(self, *, wait: bool = False, timeout: float = 30.0) -> None:
        """Begin to lend; an open pool stays as it is.

        Args:
            wait: For `min_size` members, as `wait` does; otherwise nothing is made yet.
            timeout: Seconds to wait for them.

        Raises:
            PoolClosed: It was closed before.
            PoolTimeout: They were not made in time.
        """
        self._desk.open()
        if wait:
            self.wait(timeout)

    def wait(self, timeout: float = 30.0) -> None:
        """Make members until there are `min_size`: the check at the start that they can be made at all.

        Args:
            timeout: Seconds it may take.

        Raises:
            PoolClosed: The pool is not open.
            PoolTimeout: It took longer.
        """
        deadline = self._clock() + timeout
        while self._desk.add_missing():
            if self._clock() > deadline:
                raise PoolTimeout(f"{self!r} was not filled within {timeout:g} s.")

    def maintain(self) -> None:
        """Close what has been idle or has lived too long, then make what `min_size` lacks.

        Raises:
            PoolClosed: The pool is not open.
        """
        self._desk.sweep()
        while self._desk.add_missing():
            pass

    def close(self, timeout: float = 5.0) -> None:
        """Lend no more, and close every member: the idle ones now, the others as they come back.

        Args:
            timeout: Seconds to wait for those; what comes later is closed all the same.
        """
        if not self._desk.close(timeout):
            logger.warning("%r still has members after %g s; they are closed when they come back", self, timeout)

    def stats(self) -> PoolStats:
        """What there is at this moment, and what was so far."""
        return self._desk.stats()

    # -- to lend and to get back ----------------------------------------------------------------------------

    @contextmanager
    def acquire(self, timeout: float | None = None) -> Iterator[T]:
        """Lend a member for the length of a `with` block.

        Args:
            timeout: Seconds to wait for one; None: the pool's.

        Raises:
            PoolClosed: The pool is not open.
            PoolTimeout: No member became free in time.
            TooManyRequests: As many threads wait as may.
        """
        place = self._desk.obtain(self._timeout if timeout is None else timeout)
        try:
            yield place.member
        except BaseException as error:
            self._desk.give_back(place, error)
            raise
        else:
            self._desk.give_back(place, None)

    def take(self, timeout: float | None = None) -> T:
        """Lend a member until it is handed to `release`.

        Args:
            timeout: Seconds to wait for one; None: the pool's.

        Raises:
            PoolClosed: The pool is not open.
            PoolTimeout: No member became free in time.
            TooManyRequests: As many threads wait as may.
        """
        place = self._desk.obtain(self._timeout if timeout is None else timeout)
        self._taken[id(place.member)] = place
        return place.member

    def release(self, member: T, error: BaseException | None = None) -> None:
        """Get a member back that was taken.

        Args:
            member: What `take` returned.
            error: What its use raised, if it did.

        Raises:
            ValueError: It was not taken from this pool, or came back before.
        """
        place = self._taken.pop(id(member), None)
        if place is None:
            raise ValueError(f"{member!r} is not out of {self!r}.")
        self._desk.give_back(place, error)
