"""A hundred threads on ten members, with every fault and everything a pool can do at once: nothing is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from qstore.errors import PoolTimeout, TooManyRequests
from workers.pool import Maintenance, Pool, PoolEvent
from workshop import Member, Workshop

LONG = 30.0  # seconds; nothing here takes that long unless it fails

logger = logging.getLogger(__name__)


class Rush:
    """Threads that take from a pool with another behind it, each until the time is over.

    Members fail to be made, to be closed, in their checks and in use; hooks fail; pools are drained meanwhile.
    """

    def __init__(self, workshop: Workshop, seconds: float, seed: int) -> None:
        self.workshop = workshop
        self.seconds = seconds
        self.dice = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.maintenance = Maintenance(0.02)
        workshop.before_making = lambda: self.fail(0.05, ConnectionError)
        workshop.before_closing = lambda: self.fail(0.05, OSError)
        self.other = workshop.pool(
            max_size=2,
            max_waiting=4,
            check=self.check,
            on_event=self.hear,
            name="other",
        )
        self.pool = workshop.pool(
            min_size=2,
            max_size=8,
            max_overflow=2,
            adaptive=True,
            max_waiting=80,
            max_uses=100,
            max_errors=2,
            max_lifetime=0.5,
            check=self.check,
            check_idle=0.001,
            is_fatal=lambda error: isinstance(error, ConnectionError),
            leak_after=0.005,
            on_event=self.hear,
            fallback=self.other,
            fallback_after=0.05,
            maintenance=self.maintenance,
            name="pool",
        )

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def fail(self, chance: float, error: type[Exception]) -> None:
        if self.dice.random() < chance:
            raise error

    def hear(self, event: PoolEvent) -> None:
        self.count(f"{event.pool} {event.kind}")
        self.fail(0.001, LookupError)

    def check(self, member: Member) -> bool:
        assert member.in_hand.acquire(blocking=False), "checked while somebody has it"
        assert not member.closed
        member.in_hand.release()
        self.fail(0.002, ConnectionError)
        return self.dice.random() > 0.002

    def use(self, member: Member) -> None:
        assert member.in_hand.acquire(blocking=False), "two threads hold one member"
        assert not member.closed
        self.count("lent")
        if self.dice.random() < 0.2:
            self.over.wait(0.0002)  # others run meanwhile
        member.in_hand.release()
        self.fail(0.01, RuntimeError)
        self.fail(0.002, ConnectionError)

    def turn(self) -> None:
        timeout = self.dice.choice([0, 0.001, 0.06, LONG])
        if self.dice.random() < 0.5:
            with self.pool.acquire(timeout) as member:
                self.use(member)
            return
        member = self.pool.take(timeout)
        try:
            self.use(member)
        except (RuntimeError, ConnectionError) as error:
            self.pool.release(member, error)
        else:
            self.pool.release(member)

    def work(self) -> int:
        """Turns that came to something, of one thread."""
        turns = 0
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            with suppress(ConnectionError, RuntimeError, PoolTimeout, TooManyRequests):
                self.turn()
                turns += 1
            if self.dice.random() < 0.02:
                stats = self.pool.stats()
                assert stats.size == stats.idle + stats.in_use <= 10
                assert max(0, stats.size - 8) == stats.overflow
                assert stats.waiting <= 80
            if self.dice.random() < 0.002:
                self.pool.drain()
        return turns

    def settle(self, pool: Pool[Member]) -> None:
        """Everybody is gone: whatever was told adds up to what the stats say."""
        stats = pool.stats()
        assert (stats.in_use, stats.waiting) == (0, 0)
        assert stats.made == stats.size + sum(stats.closed.values())
        told = {kind: self.counts[f"{stats.name} {kind}"] for kind in ("made", "failed", "closed", "timeout")}
        assert told["made"] == stats.made
        assert told["failed"] == stats.failures
        assert told["closed"] == sum(stats.closed.values())
        assert told["timeout"] == stats.timeouts
        assert self.counts[f"{stats.name} refused"] == stats.refused
        assert self.counts[f"{stats.name} leaked"] == stats.leaked
        assert self.counts[f"{stats.name} fell_back"] == stats.fell_back
        lent = self.counts[f"{stats.name} acquired"]
        assert lent == self.counts[f"{stats.name} released"]
        assert lent <= stats.acquisitions <= lent + stats.failures


def test_a_hundred_threads_on_ten_members_lose_nothing(
    workshop: Workshop, pytestconfig: pytest.Config, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 60.0 if pytestconfig.getoption("chaos") == "full" else 1.5
    caplog.set_level(logging.CRITICAL, "workers.pool")  # all that would be logged was asked for
    rush = Rush(workshop, seconds, pytestconfig.getoption("chaos_seed"))
    with ThreadPoolExecutor(100) as threads:
        working = [threads.submit(rush.work) for _ in range(100)]
    turns = [each.result() for each in working]
    rush.maintenance.close(LONG)
    for pool in (rush.pool, rush.other):
        rush.settle(pool)
    first, second = rush.pool.stats(), rush.other.stats()
    logger.info("%s turns, %s to %s each; %s; %s", sum(turns), min(turns), max(turns), first, second)
    assert min(first.waited, first.timeouts, second.acquisitions, *turns) > 0
    assert all(first.closed[reason] for reason in ("errors", "check", "overflow", "drain")), first
    assert first.fell_back == first.timeouts + first.refused
    assert rush.counts["lent"] == rush.counts["pool acquired"] + rush.counts["other acquired"]
    assert first.made + second.made == len(workshop.made)
    assert sum(not member.closed for member in workshop.made) == first.idle + second.idle
    for pool in (rush.pool, rush.other):
        pool.close(LONG)
        assert pool.stats().made == sum(pool.stats().closed.values())
    assert all(member.closed for member in workshop.made)
