"""Members beyond the maximum, for a rush."""

from __future__ import annotations

import pytest

from qstore.errors import PoolTimeout
from workshop import Workshop


def test_at_a_rush_there_are_more_members_than_the_maximum(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=2, max_overflow=1)
    for _ in range(3):
        pool.take(timeout=0)
    with pytest.raises(PoolTimeout):
        pool.take(timeout=0)
    stats = pool.stats()
    assert (stats.size, stats.max_size, stats.overflow, stats.max_overflow) == (3, 2, 1, 1)


def test_after_the_rush_the_surplus_is_closed_as_it_comes_back(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=2, max_overflow=2)
    first, second, third, fourth = (pool.take() for _ in range(4))
    pool.release(third)
    pool.release(first)
    assert workshop.closed == [2, 0], "whichever comes back first"
    pool.release(second)
    pool.release(fourth)
    stats = pool.stats()
    assert (stats.idle, stats.overflow, stats.closed["overflow"]) == (2, 0, 2)
    assert not second.closed
    assert not fourth.closed


def test_a_member_beyond_the_maximum_goes_to_whoever_waits(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=1, max_overflow=1)
    first, second = pool.take(), pool.take()
    places = pool._desk.places
    waiter = places.queue(0.0)  # as a thread does that finds nothing
    pool.release(second)
    assert waiter.place is not None
    assert waiter.place.member is second
    assert not workshop.closed
    pool._desk.give_back(waiter.place, None)
    assert workshop.closed == [1]
    pool.release(first)
    assert pool.stats().idle == 1


def test_nothing_beyond_the_maximum_is_kept_warm(workshop: Workshop) -> None:
    pool = workshop.pool(min_size=2, max_size=2, max_overflow=3)
    pool.maintain()
    assert pool.stats().size == 2
