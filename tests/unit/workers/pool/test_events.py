"""What happens in a pool is told to whoever asked, and what goes wrong there stays there."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest

from qstore.errors import PoolTimeout, TooManyRequests
from workers.pool import Pool, PoolEvent
from workshop import Clock, Member, Workshop, lend


class Diary:
    """Writes down what it is told; looks at the pool meanwhile, so that nothing can be told under its lock."""

    def __init__(self) -> None:
        self.events: list[PoolEvent] = []
        self.pool: Pool[Member] | None = None

    def __call__(self, event: PoolEvent) -> None:
        self.events.append(event)
        if self.pool is not None:
            assert self.pool._desk.lock.acquire(timeout=1), "told under the lock"
            self.pool._desk.lock.release()

    def read(self) -> list[tuple[str, str, float]]:
        """All since the last time."""
        told, self.events = self.events, []
        return [(event.kind, event.reason, event.seconds) for event in told]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def diary() -> Diary:
    return Diary()


def test_a_member_s_life_is_told_from_making_to_closing(workshop: Workshop, clock: Clock, diary: Diary) -> None:
    pool = workshop.pool(max_uses=2, name="shop", on_event=diary, clock=clock)
    diary.pool = pool

    def take_two_seconds() -> None:
        clock.now += 2

    workshop.before_making = take_two_seconds
    with pool.acquire():
        clock.now += 5
    assert diary.events[0] == PoolEvent(kind="made", pool="shop", reason="", seconds=2)
    assert diary.read() == [("made", "", 2), ("acquired", "", 2), ("released", "", 5)]
    lend(pool, 1)
    assert diary.read() == [("acquired", "", 0), ("closed", "uses", 0), ("released", "", 0)]


def test_what_fails_is_told(workshop: Workshop, clock: Clock, diary: Diary) -> None:
    pool = workshop.pool(max_size=1, max_waiting=1, leak_after=60, on_event=diary, clock=clock)
    diary.pool = pool
    workshop.before_making = lambda: (_ for _ in ()).throw(ConnectionError("a secret"))
    with suppress(ConnectionError):
        pool.take()
    assert diary.read() == [("failed", "ConnectionError", 0)]
    workshop.before_making = lambda: None
    pool.take()
    diary.read()
    with suppress(PoolTimeout):
        pool.take(timeout=0)
    assert diary.read() == [("timeout", "", 0)]
    pool._desk.places.queue(clock.now)  # as a thread does that waits
    with suppress(TooManyRequests):
        pool.take()
    assert diary.read() == [("refused", "", 0)]
    clock.now += 60
    pool.maintain()
    [(kind, reason, seconds)] = diary.read()
    assert (kind, seconds) == ("leaked", 60)
    assert __file__ in reason


def test_a_hook_that_fails_hurts_nobody(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: PoolEvent) -> None:
        raise LookupError(f"no word for {event.kind}")

    pool = workshop.pool(max_size=1, max_uses=1, on_event=fail, name="shop")
    for _ in range(2):
        lend(pool, 1)
    assert pool.stats().made == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 8
    assert "no word for acquired" in caplog.text


def test_a_hook_that_is_interrupted_keeps_no_member(workshop: Workshop) -> None:
    def interrupt(event: PoolEvent) -> None:
        if event.kind == "acquired":
            raise KeyboardInterrupt

    pool = workshop.pool(max_size=1, on_event=interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert (pool.stats().in_use, pool.stats().closed["errors"]) == (0, 1)
