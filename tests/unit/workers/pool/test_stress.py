"""Many threads at once: everybody gets a turn, and nothing is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from conditions import wait_until
from qstore.errors import PoolTimeout, TooManyRequests
from workshop import Clock, Member, Workshop

LONG = 30.0  # seconds; nothing here takes that long unless it fails


def everybody(count: int, work: Callable[[int], None]) -> None:
    """Run so many threads to their end, begun together."""
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(LONG)
        work(number)

    with ThreadPoolExecutor(count) as executor:
        for each in [executor.submit(run, number) for number in range(count)]:
            each.result(4 * LONG)


def test_under_contention_everybody_gets_every_fourth_turn(workshop: Workshop) -> None:
    """Four threads to a member: whoever had one has it again only after all the others."""
    pool = workshop.pool(max_size=4)
    order: list[int] = []
    gone: list[int] = []

    def everybody_else_waits() -> None:
        wait_until(lambda: pool.stats().waiting + 4 + len(gone) == 16, what="everybody else in the queue")

    together = threading.Barrier(4, action=everybody_else_waits)

    def work(number: int) -> None:
        for _ in range(10):
            with pool.acquire(LONG) as member:
                assert member.in_hand.acquire(blocking=False), "two threads hold one member"
                order.append(number)
                together.wait(LONG)
                member.in_hand.release()
        gone.append(number)

    everybody(16, work)
    for turn in range(10):
        assert sorted(order[turn * 16 : turn * 16 + 16]) == list(range(16)), order


@pytest.mark.parametrize("seed", range(3))
def test_nothing_leaks_whatever_fails(workshop: Workshop, seed: int) -> None:
    """Members fail to be made, to be closed, their checks and their users; at the end all are accounted for."""
    dice = random.Random(seed)
    clock = Clock()

    def fail_sometimes(chance: float, error: type[Exception]) -> None:
        if dice.random() < chance:
            raise error

    workshop.before_making = lambda: fail_sometimes(0.1, ConnectionError)
    workshop.before_closing = lambda: fail_sometimes(0.1, OSError)

    def check(member: Member) -> bool:
        assert not member.closed
        fail_sometimes(0.02, ConnectionError)
        return dice.random() > 0.02

    pool = workshop.pool(
        min_size=1,
        max_size=4,
        max_waiting=8,
        max_uses=20,
        max_errors=2,
        max_lifetime=50,
        max_idle=5,
        check=check,
        is_fatal=lambda error: isinstance(error, ConnectionError),
        clock=clock,
    )

    def work(_: int) -> None:
        for _ in range(150):
            clock.now += dice.random() / 10
            with suppress(ConnectionError, RuntimeError, PoolTimeout, TooManyRequests):
                with pool.acquire(timeout=dice.choice([0, 0.001, LONG])) as member:
                    assert member.in_hand.acquire(blocking=False), "two threads hold one member"
                    assert not member.closed
                    member.in_hand.release()
                    fail_sometimes(0.05, RuntimeError)
                    fail_sometimes(0.02, ConnectionError)
                if dice.random() < 0.02:
                    pool.maintain()
            stats = pool.stats()
            assert stats.size == stats.idle + stats.in_use <= 4

    everybody(16, work)
    stats = pool.stats()
    assert (stats.in_use, stats.waiting) == (0, 0)
    assert stats.made == len(workshop.made) == sum(stats.closed.values()) + stats.size
    assert all(stats.closed[reason] for reason in ("uses", "errors", "check")), stats
    assert {member.number for member in workshop.made if not member.closed} == {
        place.member.number for place in pool._desk.places._idle
    }
    pool.close(LONG)
    assert all(member.closed for member in workshop.made)
    assert pool.stats().made == sum(pool.stats().closed.values())
