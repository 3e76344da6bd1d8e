"""A pool of anything that is slow to make and used by one thread at a time.

Invariant: a member is in one thread's hands at a time, and threads are served in the order they came. There is no
thread of the pool's own unless asked for, and no member made before a fork is used after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, Self, TypeVar

from qstore.errors import PoolTimeout
from workers.pool.craft import Craft
from workers.pool.desk import Desk
from workers.pool.events import Events, PoolEvent
from workers.pool.fallback import Fallback, Lender
from workers.pool.loan import Loan
from workers.pool.maintenance import Maintenance
from workers.pool.place import Place
from workers.pool.places import Limits
from workers.pool.stats import PoolStats
from workers.pool.upkeep import Upkeep

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
        max_overflow: Members beyond `max_size` at a rush, each closed when it comes back and nobody waits.
        adaptive: Whether `maintain` keeps as many as were in use at once lately, between `min_size` and `max_size`:
            what is more is closed, what is missing made ahead of need. `Demand` states the rule.
        timeout: Seconds a thread waits for a member.
        max_waiting: Threads that may wait; 0: any number.
        max_lifetime: Seconds after which a member is replaced, up to 10 % less so that not all are at once.
        max_idle: Seconds after which an unused member is closed, at the next acquire, release or `maintain`.
        max_uses: Uses after which a member is replaced; 0: never.
        max_errors: Exceptions among its uses after which a member is replaced; one that is no `Exception`, such as
            an interrupt, replaces it at once.
        is_fatal: Whether an exception says that the member it came from is broken and has to be replaced at once.
        check: Raises or returns False for a member that is broken, each time before one is lent again; None: no check.
        check_idle: Seconds after which `maintain` checks a member that was neither used nor checked; 0: never.
        leak_after: Seconds out after which `maintain` warns once of a member, naming who took it; 0: never.
        on_event: Told of all that happens, in the thread to which it does; what it raises is logged.
        fallback: Lends where this pool has nothing in time, or lets no more threads wait; opened and closed by
            whoever made it.
        fallback_after: Seconds to wait for this pool before that; None: all there is. `timeout` is for both together.
        maintenance: Calls `maintain` from now and then, as soon as the pool is open; None: somebody else does.
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
        max_overflow: int = 0,
        adaptive: bool = False,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 3600.0,
        max_idle: float = 600.0,
        max_uses: int = 0,
        max_errors: int = 1,
        is_fatal: Callable[[BaseException], bool] = lambda _: False,
        check: Callable[[T], object] | None = None,
        check_idle: float = 0.0,
        leak_after: float = 0.0,
        on_event: Callable[[PoolEvent], object] | None = None,
        fallback: Pool[T] | None = None,
        fallback_after: float | None = None,
        maintenance: Maintenance | None = None,
        name: str = "pool",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = Limits(
            min_size=min_size,
            max_size=max_size,
            max_overflow=max_overflow,
            adaptive=adaptive,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            max_uses=max_uses,
            max_errors=max_errors,
            check_idle=check_idle,
            leak_after=leak_after,
        )
        if check_idle and check is None:
            raise ValueError(f"The pool {name!r} has no check for idle members to pass.")
        events = None if on_event is None else Events(name, on_event)
        self._desk = Desk(Craft(name, self._watched(make, maintenance), close, check, is_fatal), limits, clock, events)
        self._upkeep = Upkeep(self._desk, limits)
        self._lender: Lender[T] = self._desk
        if fallback is not None:
            after = timeout if fallback_after is None else fallback_after
            self._lender = Fallback(self._desk, fallback._lender, after)  # noqa: SLF001 - a pool's, too
        self._maintenance = maintenance
        self._timeout = timeout
        self._clock = clock
        self._taken: dict[int, Place[T]] = {}

    def _watched(self, make: Callable[[], T], maintenance: Maintenance | None) -> Callable[[], T]:
        """The same function, after whose call the pool is looked after; in a forked child, too."""
        if maintenance is None:
            return make

        def made() -> T:
            maintenance.watch(self)
            return make()

        return made

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
        if self._maintenance is not None:
            self._maintenance.watch(self)
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
        while self._upkeep.add_missing():
            if self._clock() > deadline:
                raise PoolTimeout(f"{self!r} was not filled within {timeout:g} s.")

    def maintain(self) -> None:
        """Warn of leaks, close what has been idle or has lived too long, check the rest, and make what is missing.

        Raises:
            PoolClosed: The pool is not open.
        """
        self._upkeep.name_leaks()
        self._upkeep.sweep()
        self._upkeep.check_idle()
        while self._upkeep.add_missing():
            pass

    def drain(self) -> None:
        """Replace every member there is: close the idle ones now, the others as they come back.

        For what a member takes over once when it is made, such as an address or a key. New ones are made when they
        are needed, or by `maintain`.
        """
        self._upkeep.drain()

    def close(self, timeout: float = 5.0) -> None:
        """Lend no more, and close every member: the idle ones now, the others as they come back.

        Args:
            timeout: Seconds to wait for those; what comes later is closed all the same.
        """
        if self._maintenance is not None:
            self._maintenance.forget(self)
        if not self._desk.close(timeout):
            logger.warning("%r still has members after %g s; they are closed when they come back", self, timeout)

    def stats(self) -> PoolStats:
        """What there is at this moment, and what was so far."""
        return self._desk.stats()

    # -- to lend and to get back ----------------------------------------------------------------------------

    def acquire(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Lend a member for the length of a `with` block.

        What goes wrong comes out where the block is entered.

        Args:
            timeout: Seconds to wait for one; None: the pool's.

        Raises:
            PoolClosed: The pool is not open.
            PoolTimeout: No member became free in time.
            TooManyRequests: As many threads wait as may.
        """
        return Loan(self._lender, self._timeout if timeout is None else timeout)

    def take(self, timeout: float | None = None) -> T:
        """Lend a member until it is handed to `release`.

        Args:
            timeout: Seconds to wait for one; None: the pool's.

        Raises:
            PoolClosed: The pool is not open.
            PoolTimeout: No member became free in time.
            TooManyRequests: As many threads wait as may.
        """
        place = self._lender.obtain(self._timeout if timeout is None else timeout)
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
        self._lender.give_back(place, error)
