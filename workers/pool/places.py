"""Who has a place in the pool: every decision, and no input or output.

Invariant: a thread waits only while no member is idle and no place is free, so whoever comes later cannot come first.
Each function is one move; a pool calls them one at a time, under its lock, and afterwards closes what is `doomed`.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from qstore.errors import TooManyRequests
from workers.pool.demand import Demand
from workers.pool.place import Place, Waiter
from workers.pool.stats import PoolStats, Reason, Tally

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
    max_overflow: int = 0
    check_idle: float = 0.0
    leak_after: float = 0.0
    adaptive: bool = False

    def __post_init__(self) -> None:
        """Refuse a pool that could never work.

        Raises:
            ValueError: A limit is none, or they contradict each other.
        """
        none = 0 in {self.max_size, self.max_lifetime, self.max_errors}
        if none or min(vars(self).values()) < 0 or self.min_size > self.max_size:
            raise ValueError(f"No pool can keep to {self}.")


class Places(Generic[T]):
    """The places of one pool in one process.

    Attributes:
        doomed: Members to close, and why; no longer counted among the living.
        closing: Whether the end has begun.
    """

    def __init__(self, limits: Limits) -> None:
        self.doomed: deque[tuple[Place[T], Reason]] = deque()
        self.closing = False
        self.tally = Tally()
        self._limits = limits
        self._room = limits.max_size + limits.max_overflow
        self._idle: deque[Place[T]] = deque()  # the one used last is last, so the first has been idle longest
        self._waiters: deque[Waiter[T]] = deque()
        self._in_use = 0
        self._aside = 0  # those of them that are in the pool's own hands
        self._ending = 0  # doomed and not yet closed
        self._generation = 0  # times it was drained
        self._demand = Demand(limits.min_size, limits.max_size)
        self._peak = 0  # in threads' hands at once, since the demand was last asked for
        self._kept = limits.min_size

    # -- a thread comes -------------------------------------------------------------------------------------

    def take(self, now: float) -> Place[T] | None:
        """A place for a newcomer, with a member or to make one in; None: all are taken."""
        if self._idle and self._idle[0].idle_since <= now - self._limits.max_idle:
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
        """Whether a thread that gives up still waited; if not, its wait was ended at the last moment."""
        if waiter.rung:
            return False
        self._waiters.remove(waiter)
        self.tally.timeouts += 1
        self.tally.waits.append(now - waiter.since)
        return True

    # -- a member comes, or fails to ------------------------------------------------------------------------

    def filled(self, place: Place[T], now: float) -> None:
        """A member was made."""
        place.filled = True
        place.idle_since = now
        place.expires_at = now + self._limits.max_lifetime * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
        self.tally.made += 1

    def replace(self, place: Place[T]) -> Place[T]:
        """The same place to make another member in, for this one failed its check."""
        self._doom(place, "check")
        return Place(self, generation=self._generation, aside=place.aside)

    def put(self, place: Place[T], now: float) -> None:
        """A place comes back: to the next in turn, to the idle ones, or its member has come to its end."""
        self._in_use -= 1
        reason = self._end_of(place, now) if place.filled else None
        if reason is not None:
            self._doom(place, reason)
        elif place.filled and not place.aside:
            place.idle_since = now
            self._idle.append(place)
        elif place.filled:
            self._shelve(place)
        if place.aside:
            place.aside = False
            self._aside -= 1
        if self._waiters:
            self._serve(now)
        elif self._idle and self._idle[0].idle_since <= now - self._limits.max_idle:
            self._expire_idle(now)

    def ended(self, reason: Reason) -> None:
        """A doomed member is closed."""
        self._ending -= 1
        self.tally.closed[reason] += 1

    # -- ahead of need --------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Doom whatever has been idle, or has lived, too long, and what is more than is worth keeping warm."""
        self._expire_idle(now)
        idle, self._idle = self._idle, deque()
        for place in idle:
            if place.expires_at > now:
                self._idle.append(place)
            else:
                self._doom(place, "lifetime")
        if self._limits.adaptive:
            self._kept = self._demand.kept(self._peak, now)
            self._peak = self._in_use - self._aside
            while self._idle and self._size() > self._kept:
                self._doom(self._idle.popleft(), "surplus")

    def vacancy(self) -> Place[T] | None:
        """A place to make a member in that is to be kept warm, if one is missing."""
        if self._size() >= self._kept:
            return None
        self._in_use += 1
        self._aside += 1
        return Place(self, generation=self._generation, aside=True)

    def unchecked(self, since: float) -> int:
        """Idle members neither used nor checked since then."""
        return sum(max(place.idle_since, place.checked_at) <= since for place in self._idle)

    def set_aside(self, since: float) -> Place[T] | None:
        """One of those, to be checked; `put` takes it back, and to it the time goes on as if it had stayed."""
        for place in self._idle:
            if max(place.idle_since, place.checked_at) <= since:
                self._idle.remove(place)
                place.aside = True
                self._in_use += 1
                self._aside += 1
                return place
        return None

    # -- the end --------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Doom what is idle, and what is out or being made when it comes back."""
        self._generation += 1
        while self._idle:
            self._doom(self._idle.pop(), "drain")

    def close(self) -> None:
        """Doom what is idle, and from now on what comes back; end the wait of those who wait."""
        self.closing = True
        while self._idle:
            self._doom(self._idle.pop(), "close")
        while self._waiters:
            self._waiters.popleft().ring(None)

    def empty(self) -> bool:
        """Whether no member is left, not even one that is still being closed."""
        return not (self._idle or self._in_use or self._ending)

    # -- what there is --------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return (
            f"{self._size()} of {self._limits.max_size}: "
            f"{len(self._idle)} idle, {self._in_use} in use, {len(self._waiters)} waiting"
        )

    def stats(self, name: str) -> PoolStats:
        """All of it, at this moment."""
        return self.tally.stats(
            name,
            idle=len(self._idle),
            in_use=self._in_use,
            waiting=len(self._waiters),
            min_size=self._limits.min_size,
            max_size=self._limits.max_size,
            max_overflow=self._limits.max_overflow,
            kept=self._kept,
        )

    # -- the moves these are made of ------------------------------------------------------------------------

    def _size(self) -> int:
        return len(self._idle) + self._in_use

    def _next(self, now: float) -> Place[T] | None:
        """The member used last, for few stay warm that way; else a place that is free."""
        while self._idle:
            place = self._idle.pop()
            if place.expires_at > now:
                break
            self._doom(place, "lifetime")
        else:
            if self._in_use >= self._room:
                return None
            place = Place(self, generation=self._generation)
        self._in_use += 1
        if self._in_use - self._aside > self._peak:  # noqa: PLR1730 - `max` would double what the line costs
            self._peak = self._in_use - self._aside
        return place

    def _serve(self, now: float) -> None:
        """Give what there is to those who wait, in the order they came."""
        while self._waiters and (place := self._next(now)) is not None:
            waiter = self._waiters.popleft()
            self.tally.acquisitions += 1
            self.tally.waited += 1
            self.tally.waits.append(now - waiter.since)
            waiter.ring(place)

    def _shelve(self, place: Place[T]) -> None:
        """Put back what was set aside: among the idle ones in the order of their last use."""
        index = len(self._idle)
        while index and self._idle[index - 1].idle_since > place.idle_since:
            index -= 1
        self._idle.insert(index, place)

    def _expire_idle(self, now: float) -> None:
        since = now - self._limits.max_idle
        while self._idle and self._idle[0].idle_since <= since and self._size() > self._kept:
            self._doom(self._idle.popleft(), "idle")

    def _end_of(self, place: Place[T], now: float) -> Reason | None:
        if self.closing:
            return "close"
        if place.broken or place.errors >= self._limits.max_errors:
            return "errors"
        if place.generation != self._generation:
            return "drain"
        if 0 < self._limits.max_uses <= place.uses:
            return "uses"
        if place.expires_at <= now:
            return "lifetime"
        return "overflow" if not self._waiters and self._size() >= self._limits.max_size else None

    def _doom(self, place: Place[T], reason: Reason) -> None:
        self._ending += 1
        self.doomed.append((place, reason))
