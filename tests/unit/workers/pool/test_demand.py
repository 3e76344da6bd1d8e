"""As many members are kept warm as were in use at once lately."""

from __future__ import annotations

import pytest

from workers.pool.demand import HALF_LIFE, Demand
from workshop import Clock, Workshop, lend


def test_a_peak_counts_half_after_its_half_life() -> None:
    demand = Demand(0, 100)
    kept = [demand.kept(8 if not minute else 0, minute * HALF_LIFE) for minute in range(6)]
    assert kept == [8, 4, 2, 1, 1, 0]


@pytest.mark.parametrize("rounds", [1, 7, 60])
def test_how_often_it_is_asked_changes_nothing(rounds: int) -> None:
    demand = Demand(0, 100)
    demand.kept(64, 0)
    for number in range(1, rounds):
        demand.kept(0, HALF_LIFE * number / rounds)
    assert demand.kept(0, HALF_LIFE) == 32


def test_what_is_kept_stays_between_the_bounds() -> None:
    demand = Demand(2, 5)
    assert [demand.kept(peak, 0) for peak in (0, 3, 9)] == [2, 3, 5]


def test_a_higher_peak_is_followed_at_once_and_a_lower_one_is_not() -> None:
    demand = Demand(0, 100)
    assert [demand.kept(peak, 0) for peak in (3, 7, 5)] == [3, 7, 7]


def test_an_adaptive_pool_lets_go_of_what_a_burst_left(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(min_size=1, max_size=8, adaptive=True, max_idle=1e6, clock=clock)
    lend(pool, 8)
    sizes = []
    for _ in range(6):
        pool.maintain()
        sizes.append(pool.stats().idle)
        clock.now += HALF_LIFE
    assert sizes == [8, 4, 2, 1, 1, 1]
    assert pool.stats().closed["surplus"] == 7
    assert not workshop.made[7].closed, "the one used last stays"


def test_an_adaptive_pool_makes_what_will_be_missed_ahead_of_need(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(max_size=8, adaptive=True, max_uses=1, max_idle=1.0, clock=clock)
    lend(pool, 3)
    assert pool.stats().size == 0, "worn out at their first use"
    pool.maintain()
    assert (pool.stats().idle, pool.stats().kept) == (3, 3)
    clock.now += 2
    pool.maintain()
    assert (pool.stats().idle, pool.stats().made) == (3, 6), "what is kept warm may be idle for long"


def test_what_is_out_for_long_is_in_demand_all_the_time(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(max_size=8, adaptive=True, max_idle=1e6, clock=clock)
    held = [pool.take() for _ in range(4)]
    for _ in range(10):
        pool.maintain()
        clock.now += HALF_LIFE
    for member in held:
        pool.release(member)
    pool.maintain()
    assert pool.stats().idle == 4


def test_a_round_of_checks_is_no_demand(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(min_size=4, max_size=4, adaptive=True, check=lambda _: True, check_idle=1, clock=clock)
    for _ in range(3):
        pool.maintain()
        clock.now += 2
    assert pool._desk.places._peak == 0


def test_who_comes_during_checks_counts_without_them(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(max_size=4, adaptive=True, clock=clock)
    lend(pool, 2)
    places = pool._desk.places
    assert [places.set_aside(clock.now) is None for _ in range(2)] == [False, False]
    pool.take()
    places.sweep(clock.now)
    assert pool.stats().kept == 2


def test_members_replaced_after_their_check_are_counted_when_they_are_used(workshop: Workshop) -> None:
    clock = Clock()
    pool = workshop.pool(max_size=4, adaptive=True, check=lambda member: member.fit, check_idle=1, clock=clock)
    lend(pool, 2)
    for member in workshop.made:
        member.fit = False
    clock.now += 2
    pool.maintain()
    assert pool.stats().closed["check"] == 2
    clock.now += 100 * HALF_LIFE
    lend(pool, 2)
    pool.maintain()
    assert pool.stats().kept == 2


def test_a_pool_that_does_not_adapt_keeps_its_minimum(workshop: Workshop) -> None:
    pool = workshop.pool(min_size=1, max_size=8)
    lend(pool, 8)
    pool.maintain()
    assert (pool.stats().kept, pool.stats().idle) == (1, 8)
