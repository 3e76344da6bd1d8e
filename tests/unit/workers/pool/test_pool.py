"""What a pool lends from its first day to its last, and what it tells of that."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import get_args

import pytest

from qstore.errors import PoolClosed, PoolTimeout
from workers.pool import Pool, PoolStats
from workers.pool.stats import Reason, percentile
from workshop import Clock, Member, Workshop, lend

# -- making and lending -------------------------------------------------------------------------------------------


def test_nothing_is_made_before_somebody_asks(workshop: Workshop) -> None:
    pool = workshop.pool(min_size=2)
    assert not workshop.made
    with pool.acquire() as member:
        assert workshop.made == [member]


def test_the_member_used_last_is_lent_first(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=3)
    first, second, third = pool.take(), pool.take(), pool.take()
    for member in (second, first, third):
        pool.release(member)
    assert [pool.take() for _ in range(3)] == [third, first, second]


def test_open_can_wait_for_the_members_that_are_kept(workshop: Workshop) -> None:
    pool = Pool(workshop.make, workshop.close, min_size=2)
    pool.open(wait=True)
    assert len(workshop.made) == pool.stats().idle == 2


def test_a_pool_that_cannot_be_filled_says_why_at_the_start(workshop: Workshop) -> None:
    workshop.before_making = lambda: (_ for _ in ()).throw(ConnectionError("nobody there"))
    pool = Pool(workshop.make, workshop.close, min_size=1)
    with pytest.raises(ConnectionError, match="nobody there"):
        pool.open(wait=True)
    assert (pool.stats().size, pool.stats().failures) == (0, 1)


def test_a_pool_that_is_filled_too_slowly_says_so(workshop: Workshop) -> None:
    clock = Clock()

    def dawdle() -> None:
        clock.now += 3

    workshop.before_making = dawdle
    pool = Pool(workshop.make, workshop.close, min_size=4, clock=clock)
    with pytest.raises(PoolTimeout, match="5 s"):
        pool.open(wait=True, timeout=5)
    assert pool.stats().idle == 2


def test_a_member_that_cannot_be_made_leaves_its_place_free(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=1)
    workshop.before_making = lambda: (_ for _ in ()).throw(ConnectionError("not now"))
    with pytest.raises(ConnectionError), pool.acquire():
        pytest.fail("nothing was made")
    workshop.before_making = lambda: None
    with pool.acquire() as member:
        assert member.number == 0
    assert (pool.stats().made, pool.stats().failures) == (1, 1)


def test_what_was_not_taken_cannot_be_released(workshop: Workshop) -> None:
    pool = workshop.pool()
    member = pool.take()
    pool.release(member)
    with pytest.raises(ValueError, match="is not out of"):
        pool.release(member)
    with pytest.raises(ValueError, match="is not out of"):
        pool.release(Member(7))
    assert pool.stats().idle == 1


def test_a_loan_is_for_one_block_at_a_time(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=2)
    loan = pool.acquire()
    with loan, pytest.raises(RuntimeError, match="one `with` block"), loan:
        pytest.fail("a second member would be lost")
    with loan:
        assert pool.stats().in_use == 1
    assert (pool.stats().idle, pool.stats().in_use) == (1, 0)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_size": 0},
        {"min_size": -1},
        {"min_size": 5, "max_size": 4},
        {"max_lifetime": 0},
        {"max_errors": 0},
        {"max_waiting": -1},
        {"max_idle": -1},
        {"max_uses": -1},
        {"max_overflow": -1},
        {"check_idle": -1},
        {"leak_after": -1},
    ],
)
def test_limits_that_no_pool_can_keep_to_are_refused(workshop: Workshop, limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="pool"):
        workshop.pool(**limits)


# -- the end ------------------------------------------------------------------------------------------------------


def test_a_pool_lends_nothing_before_it_is_open_nor_after_it_is_closed(workshop: Workshop) -> None:
    pool = Pool(workshop.make, workshop.close, name="shop")
    for act in (pool.take, pool.wait, pool.maintain):
        with pytest.raises(PoolClosed, match=r"'shop'.*not open"):
            act()
    with pool:
        lend(pool, 1)
    assert workshop.closed == [0]
    for act in (pool.take, pool.wait, pool.maintain, pool.open):
        with pytest.raises(PoolClosed, match="'shop'"):
            act()


def test_a_member_out_at_the_end_is_closed_when_it_comes_back(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    pool = workshop.pool()
    lend(pool, 2)
    out = pool.take()
    with caplog.at_level(logging.WARNING):
        pool.close(timeout=0)
    assert "1 in use" in caplog.text
    assert workshop.closed == [0]
    pool.release(out)
    assert sorted(workshop.closed) == [0, 1]
    pool.close()
    assert pool.stats().closed["close"] == 2


# -- what it tells ------------------------------------------------------------------------------------------------


def test_stats_tell_what_there_is_and_what_was(workshop: Workshop) -> None:
    pool = workshop.pool(min_size=1, max_size=3, name="shop")
    lend(pool, 2)
    held = pool.take()
    with pytest.raises(RuntimeError), pool.acquire():
        raise RuntimeError
    expected = PoolStats(
        name="shop",
        size=1,
        idle=0,
        in_use=1,
        waiting=0,
        min_size=1,
        max_size=3,
        acquisitions=4,
        waited=0,
        timeouts=0,
        refused=0,
        made=2,
        failures=0,
        closed={**dict.fromkeys(get_args(Reason), 0), "errors": 1},
        wait_p50=0.0,
        wait_p95=0.0,
        kept=1,
    )
    before = pool.stats()
    assert before == expected
    assert asdict(before)["closed"]["errors"] == 1
    pool.release(held)
    assert before == expected, "what was told does not change"
    assert pool.stats() == replace(expected, idle=1, in_use=0)


def test_waits_are_told_in_percentiles_of_the_last_thousand(workshop: Workshop) -> None:
    assert [percentile(range(1, 101), percent) for percent in (50, 95, 100)] == [50, 95, 100]
    assert (percentile([], 50), percentile([7.0], 95)) == (0.0, 7.0)
    clock = Clock()
    pool = workshop.pool(max_size=1, clock=clock)
    pool.take()
    tally = pool._desk.places.tally
    tally.waits.extend([60.0] * 1000)
    assert pool.stats().wait_p50 == 60
    for seconds in range(1, 1001):
        tally.waits.append(seconds / 1000)
    stats = pool.stats()
    assert (stats.wait_p50, stats.wait_p95, stats.wait_p99) == (0.5, 0.95, 0.99)


def test_repr_shows_the_state(workshop: Workshop) -> None:
    pool = Pool(workshop.make, workshop.close, name="shop", max_size=3)
    assert repr(pool) == "<Pool 'shop' new, 0 of 3: 0 idle, 0 in use, 0 waiting>"
    with pool:
        lend(pool, 2)
        with pool.acquire():
            assert repr(pool) == "<Pool 'shop' open, 2 of 3: 1 idle, 1 in use, 0 waiting>"
    assert repr(pool) == "<Pool 'shop' closed, 0 of 3: 0 idle, 0 in use, 0 waiting>"
