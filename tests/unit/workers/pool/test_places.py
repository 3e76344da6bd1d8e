"""Every decision of a pool against a model of it: lists, and nothing about how the places are kept."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qstore.errors import TooManyRequests
from workers.pool.demand import Demand
from workers.pool.place import Place, Waiter
from workers.pool.places import Limits, Places

MAX_IDLE, CHECK_IDLE, LIFETIME = 10, 4, 1_000_000  # seconds


class Idle(NamedTuple):
    """A member nobody uses."""

    member: int
    since: float


class Pooling(RuleBasedStateMachine):
    """Threads come, wait, give up, return; members are made, wear out, expire, are checked while idle, and drained."""

    @initialize(
        sizes=st.tuples(st.integers(0, 3), st.integers(1, 4)).map(sorted).filter(lambda sizes: sizes[1] > 0),
        max_overflow=st.integers(0, 2),
        max_waiting=st.integers(0, 2),
        max_uses=st.integers(0, 3),
        adaptive=st.booleans(),
    )
    def begin(self, sizes: list[int], max_overflow: int, max_waiting: int, max_uses: int, adaptive: bool) -> None:
        min_size, self.max_size = sizes
        self.room = self.max_size + max_overflow
        self.max_waiting = max_waiting
        self.max_uses = max_uses
        self.adaptive = adaptive
        self.now = 0.0
        self.places: Places[int] = Places(
            Limits(
                min_size=min_size,
                max_size=self.max_size,
                max_overflow=max_overflow,
                max_waiting=max_waiting,
                max_lifetime=LIFETIME,
                max_idle=MAX_IDLE,
                max_uses=max_uses,
                max_errors=2,
                adaptive=adaptive,
            )
        )
        self.made = 0
        self.closed: list[int] = []
        self.out: list[Place[int]] = []
        self.aside: list[tuple[Place[int], float]] = []  # being checked, and unused since when
        self.idle: list[Idle] = []  # the one used last at the end
        self.checked: dict[int, float] = {}
        self.stale: set[int] = set()  # drained while it was out
        self.waiters: list[Waiter[int]] = []
        self.demand = Demand(min_size, self.max_size)
        self.kept = min_size
        self.peak = 0

    def size(self) -> int:
        return len(self.idle) + len(self.out) + len(self.aside)

    def expire(self) -> None:
        while self.idle and self.idle[0].since <= self.now - MAX_IDLE and self.size() > self.kept:
            self.closed.append(self.idle.pop(0).member)

    def fill(self, place: Place[int]) -> None:
        place.member = self.made
        self.made += 1
        self.places.filled(place, self.now)

    def hold(self, place: Place[int]) -> None:
        """Somebody has a place: with the member used last, or to make one in."""
        if self.idle:
            assert place.filled
            assert place.member == self.idle.pop().member
        else:
            assert not place.filled
            self.fill(place)
        self.out.append(place)
        self.peak = max(self.peak, len(self.out))

    def back(self, place: Place[int], since: float, *, ends: bool = False) -> None:
        """A place comes back: the next in turn has it, or it is idle, or its member's end has come."""
        if place.filled:
            beyond = not self.waiters and self.size() >= self.max_size
            if ends or place.member in self.stale or 0 < self.max_uses <= place.uses or beyond:
                self.closed.append(place.member)
            else:
                self.idle.append(Idle(place.member, since))
                self.idle.sort(key=lambda idle: idle.since)
        self.places.put(place, self.now)
        while self.waiters and (self.idle or self.size() < self.room):
            first = self.waiters.pop(0)
            assert first.place is not None
            self.hold(first.place)
        assert not any(waiter.rung for waiter in self.waiters)
        self.expire()

    @rule()
    def come(self) -> None:
        self.expire()
        free = self.idle or self.size() < self.room
        place = self.places.take(self.now)
        if free:
            assert place is not None
            self.hold(place)
            return
        assert place is None
        if 0 < self.max_waiting <= len(self.waiters):
            try:
                self.places.queue(self.now)
            except TooManyRequests:
                return
            raise AssertionError("one too many may wait")
        self.waiters.append(self.places.queue(self.now))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 5), errors=st.integers(0, 2), broken=st.booleans())
    def come_back(self, which: int, errors: int, broken: bool) -> None:
        place = self.out.pop(which % len(self.out))
        place.uses += 1
        place.errors += errors
        place.broken = broken
        self.back(place, self.now, ends=broken or place.errors >= 2)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 5))
    def fail_the_check(self, which: int) -> None:
        place = self.out.pop(which % len(self.out))
        self.closed.append(place.member)
        empty = self.places.replace(place)
        assert not empty.filled
        self.back(empty, self.now)  # and the next could not be made

    @precondition(lambda self: self.waiters)
    @rule(which=st.integers(0, 3))
    def give_up(self, which: int) -> None:
        waiter = self.waiters.pop(which % len(self.waiters))
        assert self.places.leave(waiter, self.now)

    @rule(seconds=st.integers(1, 2 * MAX_IDLE))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def begin_a_check(self) -> None:
        since = self.now - CHECK_IDLE
        due = [idle for idle in self.idle if max(idle.since, self.checked.get(idle.member, 0.0)) <= since]
        assert self.places.unchecked(since) == len(due)
        place = self.places.set_aside(since)
        if not due:
            assert place is None
            return
        assert place is not None
        assert place.member == due[0].member
        self.idle.remove(due[0])
        self.aside.append((place, due[0].since))

    @precondition(lambda self: self.aside)
    @rule(which=st.integers(0, 3), fit=st.booleans())
    def end_a_check(self, which: int, fit: bool) -> None:
        place, since = self.aside.pop(which % len(self.aside))
        if not fit:
            self.closed.append(place.member)
            place = self.places.replace(place)
            self.fill(place)
            since = self.now
        self.checked[place.member] = place.checked_at = self.now
        self.back(place, since)

    @rule()
    def drain(self) -> None:
        self.places.drain()
        while self.idle:
            self.closed.append(self.idle.pop().member)
        self.stale = {place.member for place in self.out} | {place.member for place, _ in self.aside}

    @rule()
    def maintain(self) -> None:
        self.places.sweep(self.now)
        self.expire()
        if self.adaptive:
            self.kept = self.demand.kept(self.peak, self.now)
            self.peak = len(self.out)
            while self.idle and self.size() > self.kept:
                self.closed.append(self.idle.pop(0).member)
        while (place := self.places.vacancy()) is not None:
            assert self.size() < self.kept
            self.fill(place)
            self.back(place, self.now)
        assert self.size() >= self.kept

    @invariant()
    def agree(self) -> None:
        stats = self.places.stats("model")
        assert (stats.idle, stats.in_use) == (len(self.idle), len(self.out) + len(self.aside))
        assert (stats.waiting, stats.kept) == (len(self.waiters), self.kept)
        assert stats.size <= self.room
        assert stats.overflow == max(0, stats.size - self.max_size)
        assert [place.member for place, _ in self.places.doomed] == self.closed
        assert stats.made == self.made == stats.size + len(self.closed)
        if self.waiters:
            assert not self.idle, "nobody waits for what lies there"
            assert stats.size == self.room, "nobody waits for a place that is free"
        assert not math.isnan(stats.wait_p95)


Pooling.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
test_a_pool_decides_as_its_model_does = Pooling.TestCase
