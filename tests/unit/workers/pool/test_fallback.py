"""Another pool lends where this one is exhausted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conditions import wait_until
from qstore.errors import PoolClosed, PoolTimeout
from workers.pool import Pool, PoolEvent
from workers.pool.place import Place
from workshop import Member, Workshop

LONG = 30.0  # seconds; nothing here takes that long unless it fails


@pytest.fixture
def other(workshop: Workshop) -> Pool[Member]:
    return workshop.pool(max_size=1, name="other")


def test_an_exhausted_pool_lends_from_the_other_and_each_gets_its_own_back(
    workshop: Workshop, other: Pool[Member]
) -> None:
    events: list[PoolEvent] = []
    pool = workshop.pool(max_size=1, fallback=other, fallback_after=0, on_event=events.append, name="shop")
    own = pool.take()
    with pool.acquire() as borrowed:
        assert borrowed is not own
        assert (pool.stats().in_use, other.stats().in_use) == (1, 1)
    taken = pool.take()
    assert taken is borrowed
    pool.release(taken)
    pool.release(own)
    assert pool.stats().idle == other.stats().idle == 1
    assert (pool.stats().fell_back, pool.stats().made, other.stats().made) == (2, 1, 1)
    told = [event for event in events if event.kind == "fell_back"]
    assert told == [PoolEvent(kind="fell_back", pool="shop", reason="timeout")] * 2


def test_a_pool_that_has_members_needs_no_other(workshop: Workshop, other: Pool[Member]) -> None:
    pool = workshop.pool(fallback=other)
    with pool.acquire(timeout=0):
        pass
    assert other.stats().acquisitions == pool.stats().fell_back == 0


def test_where_no_more_may_wait_the_other_is_asked_at_once(workshop: Workshop, other: Pool[Member]) -> None:
    events: list[PoolEvent] = []
    pool = workshop.pool(max_size=1, max_waiting=1, timeout=LONG, fallback=other, on_event=events.append)
    pool.take()
    pool._desk.places.queue(0.0)  # as a thread does that waits
    began = time.monotonic()
    with pool.acquire():
        assert other.stats().in_use == 1
    assert time.monotonic() - began < LONG / 2
    assert [event.reason for event in events if event.kind == "fell_back"] == ["refused"]


def test_the_time_to_wait_is_for_both_together(
    workshop: Workshop, other: Pool[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    obtain = other._desk.obtain

    def note(timeout: float) -> Place[Member]:
        waited.append(timeout)
        return obtain(timeout)

    monkeypatch.setattr(other._desk, "obtain", note)
    after_all = workshop.pool(max_size=1, timeout=0.01, fallback=other)
    after_a_part = workshop.pool(max_size=1, timeout=LONG, fallback=other, fallback_after=0.01)
    for pool in (after_all, after_a_part):
        pool.take()
        with pool.acquire():
            pass
    assert waited[0] == 0
    assert LONG / 2 < waited[1] <= LONG - 0.01


def test_where_both_are_exhausted_nobody_lends(workshop: Workshop, other: Pool[Member]) -> None:
    pool = workshop.pool(max_size=1, timeout=0.01, fallback=other)
    pool.take()
    other.take()
    with pytest.raises(PoolTimeout, match="'other'"):
        pool.take()
    assert (pool.stats().timeouts, other.stats().timeouts) == (1, 1)


def test_an_error_in_the_other_s_member_costs_the_other_s_member(workshop: Workshop, other: Pool[Member]) -> None:
    pool = workshop.pool(max_size=1, fallback=other, fallback_after=0)
    pool.take()
    with pytest.raises(RuntimeError), pool.acquire():
        raise RuntimeError
    assert other.stats().closed["errors"] == 1
    assert pool.stats().closed["errors"] == 0


def test_one_behind_the_other_behind_the_other(workshop: Workshop, other: Pool[Member]) -> None:
    second = workshop.pool(max_size=1, fallback=other, fallback_after=0)
    first = workshop.pool(max_size=1, fallback=second, fallback_after=0)
    members = [first.take() for _ in range(3)]
    assert [pool.stats().in_use for pool in (first, second, other)] == [1, 1, 1]
    for member in members:
        first.release(member)
    assert [pool.stats().idle for pool in (first, second, other)] == [1, 1, 1]


def test_a_closed_pool_does_not_fall_back_and_takes_back_what_it_borrowed(
    workshop: Workshop, other: Pool[Member]
) -> None:
    pool = workshop.pool(max_size=1, timeout=LONG, fallback=other, fallback_after=LONG)
    own = pool.take()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.take)
        wait_until(lambda: pool.stats().waiting, what="a thread that waits")
        pool.close(timeout=0)
        with pytest.raises(PoolClosed):
            waiting.result(LONG)
    with pytest.raises(PoolClosed):
        pool.take()
    assert other.stats().acquisitions == 0
    pool.release(own)

    another = workshop.pool(max_size=1, fallback=other, fallback_after=0)
    own, borrowed = another.take(), another.take()
    another.release(own)
    another.close(timeout=0)
    assert other.stats().in_use == 1
    another.release(borrowed)
    assert other.stats().idle == 1
    assert not borrowed.closed
