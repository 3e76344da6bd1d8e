"""A member that somebody forgot to give back is told of, with who took it."""

from __future__ import annotations

import inspect
import logging
import threading
import weakref
from contextlib import ExitStack

import pytest

from workers.pool import Pool
from workshop import Clock, Member, Workshop


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(workshop: Workshop, clock: Clock) -> Pool[Member]:
    return workshop.pool(leak_after=60, name="shop", clock=clock)


def take_and_forget(pool: Pool[Member]) -> Member:
    return pool.take()


def line_of(function: object, text: str) -> int:
    """Where in this file a function says something."""
    assert inspect.isfunction(function)
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_a_leak_is_told_of_once_with_its_taker(
    pool: Pool[Member], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    member = take_and_forget(pool)
    clock.now += 59
    pool.maintain()
    assert not caplog.text
    clock.now += 1
    pool.maintain()
    clock.now += 100
    pool.maintain()
    [record] = caplog.records
    said = record.getMessage()
    assert record.levelno == logging.WARNING
    assert "'shop'" in said
    assert "60.0 s" in said
    assert f"{__file__}:{line_of(take_and_forget, 'take()')} in take_and_forget" in said
    assert threading.current_thread().name in said
    assert pool.stats().leaked == 1
    pool.release(member)
    take_and_forget(pool)
    clock.now += 60
    pool.maintain()
    assert pool.stats().leaked == 2, "once for each time it was taken"


def test_a_block_is_named_as_well(pool: Pool[Member], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with pool.acquire():
        clock.now += 60
        pool.maintain()
    here = test_a_block_is_named_as_well
    assert f"{__file__}:{line_of(here, 'acquire()')} in {here.__name__}" in caplog.text


def test_who_has_it_by_a_stack_of_blocks_is_named_and_not_the_stack(
    pool: Pool[Member], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        stack.enter_context(pool.acquire())
        clock.now += 60
        pool.maintain()
    here = test_who_has_it_by_a_stack_of_blocks_is_named_and_not_the_stack
    assert f"{__file__}:{line_of(here, 'acquire()')} in {here.__name__}" in caplog.text


def test_who_gives_back_in_time_is_not_told_of(pool: Pool[Member], clock: Clock) -> None:
    pool.release(pool.take())
    with pytest.raises(RuntimeError), pool.acquire():
        raise RuntimeError
    clock.now += 1000
    pool.maintain()
    assert pool.stats().leaked == 0


def test_no_local_of_the_taker_is_kept_alive(pool: Pool[Member]) -> None:
    class Precious:
        pass

    def take() -> weakref.ref[Precious]:
        precious = Precious()
        pool.take()
        return weakref.ref(precious)

    assert take()() is None


def test_where_nobody_asked_no_taker_is_remembered(workshop: Workshop) -> None:
    pool = workshop.pool()
    pool.take()
    pool.maintain()
    assert pool._desk.leaks is None
