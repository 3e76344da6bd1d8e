"""Threads that wait for a member: in which order they are served, and how a wait can end otherwise."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from conditions import wait_until
from qstore.errors import PoolClosed, PoolTimeout, TooManyRequests
from workers.pool import Pool
from workers.pool.place import Waiter
from workshop import Clock, Member, Workshop

LONG = 30.0  # seconds; nothing here takes that long unless it fails


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


class Queue:
    """Threads that wait in a known order, and are served one by one."""

    def __init__(self, pool: Pool[Member], threads: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.threads = threads
        self.served: list[int] = []

    def join(self, number: int) -> Future[None]:
        """Have one more thread wait; it stands in the queue when this returns."""
        before = self.pool.stats().waiting

        def turn() -> None:
            with self.pool.acquire(LONG):
                self.served.append(number)

        future = self.threads.submit(turn)
        wait_until(lambda: self.pool.stats().waiting > before, what="a place in the queue")
        return future


def test_threads_are_served_in_the_order_they_came(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1)
    held = pool.take()
    queue = Queue(pool, threads)
    waiting = [queue.join(number) for number in range(10)]
    pool.release(held)
    for each in waiting:
        each.result(LONG)
    assert queue.served == list(range(10))
    assert (pool.stats().waited, pool.stats().made) == (10, 1)


def test_a_newcomer_cannot_overtake_whoever_waits(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1)
    held = pool.take()
    served = threads.submit(pool.take, LONG)
    wait_until(lambda: pool.stats().waiting == 1, what="the waiter")
    pool.release(held)
    # the waiter's thread may not have run since; what came back is its all the same
    with pytest.raises(PoolTimeout):
        pool.take(timeout=0)
    assert served.result(LONG) is held
    pool.release(held)


def test_a_place_whose_member_ended_goes_to_the_next_in_turn(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1)
    held = pool.take()
    queue = Queue(pool, threads)
    waiting = [queue.join(number) for number in range(2)]
    pool.release(held, RuntimeError())
    for each in waiting:
        each.result(LONG)
    assert queue.served == [0, 1]
    assert [member.number for member in workshop.made] == [0, 1]


def test_a_failed_make_lets_the_next_in_turn_try(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    begun, proceed = threading.Event(), threading.Event()

    def fail_once() -> None:
        workshop.before_making = lambda: None
        begun.set()
        assert proceed.wait(LONG)
        raise ConnectionError

    workshop.before_making = fail_once
    pool = workshop.pool(max_size=1)
    unlucky = threads.submit(pool.take)
    assert begun.wait(LONG)
    waiting = Queue(pool, threads).join(1)
    proceed.set()
    with pytest.raises(ConnectionError):
        unlucky.result(LONG)
    waiting.result(LONG)
    assert pool.stats().idle == 1


def test_making_and_closing_hold_nobody_up(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=2, max_uses=3)
    worn, fresh = pool.take(), pool.take()
    pool.release(fresh)
    proceed, stuck = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        stuck.release()
        assert proceed.wait(LONG)

    workshop.before_making = workshop.before_closing = hang
    closing = threads.submit(pool.release, worn, RuntimeError())
    assert stuck.acquire(timeout=LONG)
    with pool.acquire(timeout=0) as lent:
        assert lent is fresh, "while one is being closed"
        making = threads.submit(pool.take)
        assert stuck.acquire(timeout=LONG)
        assert pool.stats().in_use == 2
    with pool.acquire(timeout=0) as lent:
        assert lent is fresh, "while one is being made"
        proceed.set()
    closing.result(LONG)
    making.result(LONG)


def test_whoever_waits_in_vain_leaves_the_queue(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1, timeout=0.01, name="shop")
    held = pool.take()
    with pytest.raises(PoolTimeout, match=r"'shop'.*0\.01 s"), pool.acquire():
        pytest.fail("nothing was free")
    assert pool.stats().wait_p50 >= 0.01, "a wait in vain is a wait"
    waiting = Queue(pool, threads).join(1)
    with pytest.raises(PoolTimeout, match="within 0 s"):
        pool.take(timeout=0)
    with pytest.raises(PoolTimeout, match="within 0 s"), pool.acquire(timeout=0):
        pytest.fail("nothing was free")
    pool.release(held)
    waiting.result(LONG)
    assert (pool.stats().timeouts, pool.stats().waited, pool.stats().waiting) == (3, 1, 0)


def test_a_wait_may_be_as_long_as_one_likes_and_less_than_none_is_none(
    workshop: Workshop, threads: ThreadPoolExecutor
) -> None:
    pool = workshop.pool(max_size=1)
    held = pool.take()
    with pytest.raises(PoolTimeout):
        pool.take(timeout=-1.0)
    waiting = threads.submit(pool.take, math.inf)
    wait_until(lambda: pool.stats().waiting == 1, what="a thread that waits")
    pool.release(held)
    assert waiting.result(LONG) is held


def test_a_member_that_comes_at_the_last_moment_is_not_lost(workshop: Workshop) -> None:
    """A timeout that is noticed after the member was given counts as no timeout."""
    pool = workshop.pool(max_size=1)
    held = pool.take()

    given = threading.Event()
    leave = pool._desk.places.leave

    def late(waiter: object, now: float) -> bool:
        if not given.is_set():  # the holder is one step ahead: under the lock, as it would be
            given.set()
            place = pool._taken.pop(id(held))
            pool._desk.places.put(place, now)
        return leave(waiter, now)  # type: ignore[arg-type]  # passed on as it came

    pool._desk.places.leave = late  # type: ignore[method-assign]  # the moment cannot be met otherwise
    assert pool.take(timeout=0.0) is held
    assert pool.stats().timeouts == 0
    pool.release(held)


def test_as_many_wait_as_may_and_one_more_is_turned_away(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1, max_waiting=2)
    held = pool.take()
    queue = Queue(pool, threads)
    waiting = [queue.join(number) for number in range(2)]
    with pytest.raises(TooManyRequests, match="2 threads"):
        pool.take(LONG)
    pool.release(held)
    for each in waiting:
        each.result(LONG)
    assert pool.stats().refused == 1
    with pool.acquire(timeout=0):
        pass


def test_the_end_of_the_pool_is_told_to_whoever_waits(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    pool = workshop.pool(max_size=1, name="shop")
    held = pool.take()
    waiting = Queue(pool, threads).join(1)
    closing = threads.submit(pool.close, 10 * LONG)
    with pytest.raises(PoolClosed, match="'shop'"):
        waiting.result(LONG)
    assert not closing.done(), "it waits for the member that is out"
    assert not held.closed
    pool.release(held)
    closing.result(LONG)
    assert held.closed


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_waits_for_a_member_that_is_being_made(
    workshop: Workshop, threads: ThreadPoolExecutor, fails: bool
) -> None:
    begun, proceed = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        assert proceed.wait(LONG)
        if fails:
            raise ConnectionError

    workshop.before_making = slowly
    pool = workshop.pool(min_size=1)
    waiting = threads.submit(pool.wait, LONG)
    assert begun.wait(LONG)
    closing = threads.submit(pool.close, 10 * LONG)
    wait_until(lambda: "closed" in repr(pool), what="the end to begin")
    proceed.set()
    closing.result(LONG)
    with pytest.raises(ConnectionError if fails else PoolClosed):
        waiting.result(LONG)
    assert workshop.closed == ([] if fails else [0])


def test_the_end_waits_for_a_member_that_is_being_closed(
    workshop: Workshop, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    begun, proceed = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        assert proceed.wait(LONG)

    workshop.before_closing = slowly
    pool = workshop.pool(max_uses=1)
    released = threads.submit(pool.release, pool.take())
    assert begun.wait(LONG)
    pool.close(timeout=0)
    assert "still has members" in caplog.text
    caplog.clear()
    closing = threads.submit(pool.close, 10 * LONG)
    wait_until(closing.running, what="somebody who waits for the end")
    proceed.set()
    released.result(LONG)
    closing.result(LONG)
    assert not caplog.text


@pytest.mark.parametrize("served", [False, True])
def test_an_interrupted_wait_leaves_the_queue_and_what_it_was_given(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    pool = workshop.pool(max_size=1)
    held = pool.take()
    wait = Waiter.wait

    def interrupt(waiter: Waiter[Member], _: float) -> bool:
        monkeypatch.setattr(Waiter, "wait", wait)
        if served:
            pool.release(held)
            assert waiter.rung
        raise KeyboardInterrupt

    monkeypatch.setattr(Waiter, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.take(LONG)
    assert pool.stats().waiting == 0
    if not served:
        pool.release(held)
    assert (pool.stats().idle, pool.stats().in_use) == (1, 0)


def test_a_wait_is_measured_on_the_pool_s_clock(workshop: Workshop, threads: ThreadPoolExecutor) -> None:
    clock = Clock()
    pool = workshop.pool(max_size=1, clock=clock)
    held = pool.take()
    waiting = Queue(pool, threads).join(1)
    clock.now += 2.5
    pool.release(held)
    waiting.result(LONG)
    assert pool.stats().wait_p95 == 2.5
