"""Who has a place in the pool: every decision, and no input or output.

Invariant: a thread waits only while no member is idle and no place is free, so whoever comes later cannot come first.
Each function is one move; a pool calls them one at a time, under its lock, and afterwards closes what is `doomed`.
"""

from __future__ import annotations

import random
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from qstore.errors import PoolClosed, TooManyRequests
from workers.pool.stats import PoolStats, Reason, Tally, percentile

T = TypeVar("T")

_JITTER = 0.1  # of a lifetime, so that members made together are not replaced together


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a pool keeps to; `Pool` says what each means."""

    min_size: int
    max_size: int
    max_waiting: int
    max_lifetime: float
    max_idle: float
    max_uses: int
    max_errors: int

    def __post_init__(self) -> None:
        """Refuse a pool that could never work.

        Raises:
            ValueError: A limit is none, or they contradict each other.
        """
        if self.max_size < 1 or not 0 <= self.min_size <= self.max_size:
            raise ValueError(f"A pool of {self.min_size} to {self.max_size} members makes no sense.")
        if min(self.max_lifetime, self.max_errors) <= 0 or min(self.max_waiting, self.max_idle, self.max_uses) < 0:
            raise ValueError(f"No pool can keep to {self}.")


class Place(Generic[T]):
    """A place for one member, and what the pool remembers of the member in it."""

    __slots__ = ("broken", "errors", "expires_at", "filled", "home", "idle_since", "member", "uses")
    member: T  # unset until `filled`

    def __init__(self, home: Places[T]) -> None:
        self.home = home
        self.filled = False
        self.expires_at = self.idle_since = 0.0  # on the pool's clock
        self.uses = self.errors = 0
        self.broken = False


class Waiter(Future[Place[T]]):
    """A thread that waits for a place."""

    def __init__(self, since: float) -> None:
        super().__init__()
        self.since = since


class Places(Generic[T]):
    """The places of one pool in one process.

    Attributes:
        doomed: Members to close, and why; no longer counted among the living.
    """

    def __init__(self, limits: Limits) -> None:
        self.doomed: deque[tuple[Place[T], Reason]] = deque()
        self.tally = Tally()
        self._limits = limits
        self._idle: deque[Place[T]] = deque()  # the one used last is last, so the first has been idle longest
        self._waiters: deque[Waiter[T]] = deque()
        self._in_use = 0
        self._ending = 0  # doomed and not yet closed
        self._closing = False

    # -- a thread comes -------------------------------------------------------------------------------------

    def take(self, now: float) -> Place[T] | None:
        """A place for a newcomer, with a member or to make one in; None: all are taken."""
        if self._idle:
            self._expire_idle(now)
        place = self._next(now)
        if place is not None:
            self.tally.acquisitions += 1
        return place

    def queue(self, now: float) -> Waiter[T]:
        """A turn for a newcomer who found all places taken.

        Raises:
            TooManyRequests: As many wait as may.
        """
        if 0 < self._limits.max_waiting <= len(self._waiters):
            self.tally.refused += 1
            raise TooManyRequests(f"{len(self._waiters)} threads wait already.")
        waiter: Waiter[T] = Waiter(now)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter[T], now: float) -> bool:
        """Whether a thread that gives up still waited; if not, it was given something at the last moment."""
        if waiter.done():
            return False
        self._waiters.remove(waiter)
        self.tally.timeouts += 1
        self.tally.waits.append(now - waiter.since)
        return True

    def vacancy(self) -> Place[T] | None:
        """A place to make a member in that is to be kept warm, if one is missing."""
        if len(self._idle) + self._in_use >= self._limits.min_size:
            return None
        self._in_use += 1
        return Place(self)

    # -- a member comes, or fails to ------------------------------------------------------------------------

    def filled(self, place: Place[T], now: float) -> None:
        """A member was made."""
        place.filled = True
        place.expires_at = now + self._limits.max_lifetime * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
        self.tally.made += 1

    def replace(self, place: Place[T]) -> Place[T]:
        """The same place to make another member in, for this one failed its check."""
        self._doom(place, "check")
        return Place(self)

    def put(self, place: Place[T], now: float) -> None:
        """A place comes back: to the next in turn, to the idle ones, or its member has come to its end."""
        self._in_use -= 1
        if place.filled:
            reason = self._end_of(place, now)
            if reason is None:
                place.idle_since = now
                self._idle.append(place)
            else:
                self._doom(place, reason)
        if self._waiters:
            self._serve(now)
        else:
            self._expire_idle(now)

    def ended(self, reason: Reason) -> None:
        """A doomed member is closed."""
        self._ending -= 1
        self.tally.closed[reason] += 1

    # -- the end --------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Doom whatever has been idle, or has lived, too long."""
        self._expire_idle(now)
        idle, self._idle = self._idle, deque()
        for place in idle:
            if place.expires_at > now:
                self._idle.append(place)
            else:
                self._doom(place, "lifetime")

    def close(self, message: str) -> None:
        """Doom what is idle, and from now on what comes back; tell those who wait."""
        self._closing = True
        while self._idle:
            self._doom(self._idle.pop(), "close")
        while self._waiters:
            self._waiters.popleft().set_exception(PoolClosed(message))

    def empty(self) -> bool:
        """Whether no member is left, not even one that is still being closed."""
        return not (self._idle or self._in_use or self._ending)

    # -- what there is --------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        size = len(self._idle) + self._in_use
        return (
            f"{size} of {self._limits.max_size}: "
            f"{len(self._idle)} idle, {self._in_use} in use, {len(self._waiters)} waiting"
        )

    def stats(self, name: str) -> PoolStats:
        """All of it, at this moment."""
        tally = self.tally
        return PoolStats(
            name=name,
            size=len(self._idle) + self._in_use,
            idle=len(self._idle),
            in_use=self._in_use,
            waiting=len(self._waiters),
            min_size=self._limits.min_size,
            max_size=self._limits.max_size,
            acquisitions=tally.acquisitions,
            waited=tally.waited,
            timeouts=tally.timeouts,
            refused=tally.refused,
            made=tally.made,
            failures=tally.failures,
            closed=dict(tally.closed),
            wait_p50=percentile(tally.waits, 50),
            wait_p95=percentile(tally.waits, 95),
        )

    # -- the moves these are made of ------------------------------------------------------------------------

    def _next(self, now: float) -> Place[T] | None:
        """The member used last, for few stay warm that way; else a place that is free."""
        while self._idle:
            place = self._idle.pop()
            if place.expires_at > now:
                self._in_use += 1
                return place
            self._doom(place, "lifetime")
        return self._new() if self._in_use < self._limits.max_size else None

    def _new(self) -> Place[T]:
        self._in_use += 1
        return Place(self)

    def _serve(self, now: float) -> None:
        """Give what there is to those who wait, in the order they came."""
        while self._waiters and (place := self._next(now)) is not None:
            waiter = self._waiters.popleft()
            self.tally.acquisitions += 1
            self.tally.waited += 1
            self.tally.waits.append(now - waiter.since)
            waiter.set_result(place)

    def _expire_idle(self, now: float) -> None:
        since = now - self._limits.max_idle
        while (
            self._idle and self._idle[0].idle_since <= since and len(self._idle) + self._in_use > self._limits.min_size
        ):
            self._doom(self._idle.popleft(), "idle")

    def _end_of(self, place: Place[T], now: float) -> Reason | None:
        if self._closing:
            return "close"
        if place.broken or place.errors >= self._limits.max_errors:
            return "errors"
        if 0 < self._limits.max_uses <= place.uses:
            return "uses"
        return "lifetime" if place.expires_at <= now else None

    def _doom(self, place: Place[T], reason: Reason) -> None:
        self._ending += 1
        self.doomed.append((place, reason))
