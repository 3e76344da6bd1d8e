"""Every decision of a pool against a model of it: lists, and nothing about how the places are kept."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qstore.errors import TooManyRequests
from workers.pool.places import Limits, Place, Places, Waiter

MAX_IDLE, LIFETIME = 10, 1_000_000  # seconds


class Pooling(RuleBasedStateMachine):
    """Threads come, wait, give up, return; members are made, wear out and expire."""

    @initialize(
        sizes=st.tuples(st.integers(0, 3), st.integers(1, 4)).map(sorted).filter(lambda sizes: sizes[1] > 0),
        max_waiting=st.integers(0, 2),
        max_uses=st.integers(0, 3),
    )
    def begin(self, sizes: list[int], max_waiting: int, max_uses: int) -> None:
        self.min_size, self.max_size = sizes
        self.max_waiting = max_waiting
        self.max_uses = max_uses
        self.now = 0.0
        self.places: Places[int] = Places(
            Limits(
                min_size=self.min_size,
                max_size=self.max_size,
                max_waiting=max_waiting,
                max_lifetime=LIFETIME,
                max_idle=MAX_IDLE,
                max_uses=max_uses,
                max_errors=2,
            )
        )
        self.made = 0
        self.closed: list[int] = []
        self.out: list[Place[int]] = []
        self.idle: list[tuple[int, float]] = []  # member and since when, the one used last at the end
        self.waiters: list[Waiter[int]] = []

    def expire(self) -> None:
        while self.idle and self.idle[0][1] <= self.now - MAX_IDLE and self.size() > self.min_size:
            self.closed.append(self.idle.pop(0)[0])

    def size(self) -> int:
        return len(self.idle) + len(self.out)

    def hold(self, place: Place[int]) -> None:
        """Somebody has a place: with the member used last, or to make one in."""
        if self.idle:
            assert place.filled
            assert place.member == self.idle.pop()[0]
        else:
            assert not place.filled
            place.member = self.made
            self.made += 1
            self.places.filled(place, self.now)
        self.out.append(place)

    def serve(self) -> None:
        """Whoever waits longest is served, and nobody else."""
        while self.waiters and (self.idle or self.size() < self.max_size):
            first = self.waiters.pop(0)
            assert first.done()
            self.hold(first.result(timeout=0))
        assert not any(waiter.done() for waiter in self.waiters)

    @rule()
    def come(self) -> None:
        self.expire()
        free = self.idle or self.size() < self.max_size
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
    @rule(which=st.integers(0, 3), errors=st.integers(0, 2), broken=st.booleans())
    def come_back(self, which: int, errors: int, broken: bool) -> None:
        place = self.out.pop(which % len(self.out))
        place.uses += 1
        place.errors += errors
        place.broken = broken
        if broken or place.errors >= 2 or 0 < self.max_uses <= place.uses:
            self.closed.append(place.member)
        else:
            self.idle.append((place.member, self.now))
        self.places.put(place, self.now)
        self.serve()
        self.expire()

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 3))
    def fail_the_check(self, which: int) -> None:
        place = self.out.pop(which % len(self.out))
        self.closed.append(place.member)
        empty = self.places.replace(place)
        assert not empty.filled
        self.places.put(empty, self.now)  # and the next could not be made
        self.serve()
        self.expire()

    @precondition(lambda self: self.waiters)
    @rule(which=st.integers(0, 3))
    def give_up(self, which: int) -> None:
        waiter = self.waiters.pop(which % len(self.waiters))
        assert self.places.leave(waiter, self.now)

    @rule(seconds=st.integers(1, 2 * MAX_IDLE))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def maintain(self) -> None:
        self.places.sweep(self.now)
        self.expire()
        while (place := self.places.vacancy()) is not None:
            assert self.size() < self.min_size
            place.member = self.made
            self.made += 1
            self.places.filled(place, self.now)
            self.places.put(place, self.now)
            self.idle.append((place.member, self.now))
        assert self.size() >= self.min_size

    @invariant()
    def agree(self) -> None:
        stats = self.places.stats("model")
        assert (stats.idle, stats.in_use, stats.waiting) == (len(self.idle), len(self.out), len(self.waiters))
        assert stats.size <= self.max_size
        assert [place.member for place, _ in self.places.doomed] == self.closed
        assert stats.made == self.made == stats.size + len(self.closed)
        if self.waiters:
            assert not self.idle, "nobody waits for what lies there"
            assert stats.size == self.max_size, "nobody waits for a place that is free"
        assert not math.isnan(stats.wait_p95)


Pooling.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_a_pool_decides_as_its_model_does = Pooling.TestCase
