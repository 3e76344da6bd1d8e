"""Why a member is closed, and what takes its place."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest

from workers.pool import Pool
from workshop import Clock, Member, Workshop, lend


@pytest.fixture
def clock() -> Clock:
    return Clock()


def closed(pool: Pool[Member]) -> dict[str, int]:
    """How many members were closed, by reason, where any were."""
    return {reason: count for reason, count in pool.stats().closed.items() if count}


def test_a_member_is_replaced_after_its_last_use(workshop: Workshop) -> None:
    pool = workshop.pool(max_uses=2)
    numbers = []
    for _ in range(5):
        with pool.acquire() as member:
            numbers.append(member.number)
    assert numbers == [0, 0, 1, 1, 2]
    assert closed(pool) == {"uses": 2}


def test_a_member_that_lived_long_enough_is_closed_when_it_comes_back(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(max_lifetime=100, clock=clock)
    with pool.acquire():
        clock.now += 100
    assert workshop.closed == [0]
    assert closed(pool) == {"lifetime": 1}


def test_a_member_that_aged_while_idle_is_not_lent(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(max_lifetime=100, max_idle=1000, clock=clock)
    lend(pool, 2)
    clock.now += 100
    with pool.acquire() as member:
        assert member.number == 2
        assert sorted(workshop.closed) == [0, 1]
    assert closed(pool) == {"lifetime": 2}


def test_members_made_together_are_not_replaced_together(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(max_size=50, max_lifetime=100, max_idle=1000, clock=clock)
    lend(pool, 50)
    left = []
    for age in (89.9, 95, 100):
        clock.now = 1000 + age
        pool.maintain()
        left.append(pool.stats().idle)
    assert left[0] == 50
    assert 0 < left[1] < 50
    assert left[2] == 0


def test_members_nobody_uses_are_closed_down_to_those_that_are_kept(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(min_size=1, max_size=4, max_idle=10, clock=clock)
    lend(pool, 4)
    clock.now += 9
    with pool.acquire():
        pass
    clock.now += 1
    with pool.acquire() as member:
        assert member.number == 3, "the one used last stays"
        assert workshop.closed == [0, 1, 2], "those used longest ago go"
    clock.now += 1000
    pool.maintain()
    assert pool.stats().idle == 1
    assert closed(pool) == {"idle": 3}


def test_one_member_in_use_does_not_keep_the_others_warm(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(max_size=3, max_idle=10, clock=clock)
    kept = pool.take()
    lend(pool, 2)
    clock.now += 10
    pool.release(kept)
    assert workshop.closed == [1, 2]
    assert pool.stats().idle == 1


def test_maintenance_replaces_what_it_closed_up_to_the_members_that_are_kept(workshop: Workshop, clock: Clock) -> None:
    pool = workshop.pool(min_size=2, max_size=3, max_lifetime=50, max_idle=1000, clock=clock)
    lend(pool, 3)
    clock.now += 50
    pool.maintain()
    assert sorted(workshop.closed) == [0, 1, 2]
    assert (pool.stats().idle, pool.stats().made) == (2, 5)


def test_a_member_whose_user_raised_is_replaced(workshop: Workshop) -> None:
    pool = workshop.pool()
    with pytest.raises(RuntimeError, match="of the user"), pool.acquire():
        raise RuntimeError("of the user")
    assert workshop.closed == [0]
    assert closed(pool) == {"errors": 1}


def test_a_member_may_be_forgiven_errors_up_to_a_number(workshop: Workshop) -> None:
    pool = workshop.pool(max_errors=3)
    for left in (1, 1, 0):
        with suppress(RuntimeError), pool.acquire() as member:
            assert member.number == 0
            raise RuntimeError
        assert pool.stats().size == left


def test_an_error_that_says_so_replaces_the_member_at_once(workshop: Workshop) -> None:
    pool = workshop.pool(max_errors=10, is_fatal=lambda error: isinstance(error, ConnectionError))
    member = pool.take()
    pool.release(member, LookupError())
    assert pool.take() is member
    pool.release(member, ConnectionError())
    assert workshop.closed == [0]


def test_an_interrupted_member_is_never_lent_again(workshop: Workshop) -> None:
    pool = workshop.pool(max_errors=10)
    with pytest.raises(KeyboardInterrupt), pool.acquire():
        raise KeyboardInterrupt
    assert closed(pool) == {"errors": 1}


def test_a_judgement_that_fails_is_taken_for_the_worst(workshop: Workshop) -> None:
    def judge(error: BaseException) -> bool:
        raise TypeError(f"what is {error!r}?")

    pool = workshop.pool(max_errors=10, is_fatal=judge)
    member = pool.take()
    with pytest.raises(TypeError, match="LookupError"):
        pool.release(member, LookupError())
    assert (pool.stats().size, workshop.closed) == (0, [0])


@pytest.mark.parametrize("raises", [True, False])
def test_a_member_that_fails_its_check_is_replaced_before_it_is_lent(workshop: Workshop, raises: bool) -> None:
    def check(member: Member) -> bool:
        if raises and not member.fit:
            raise ConnectionError
        return member.fit

    pool = workshop.pool(max_size=1, check=check)
    lend(pool, 1)
    with pool.acquire() as member:
        assert member.number == 0
        member.fit = False
    with pool.acquire() as member:
        assert member.number == 1
        assert workshop.closed == [0]
    assert closed(pool) == {"check": 1}


def test_a_check_that_finds_nothing_to_say_is_passed(workshop: Workshop) -> None:
    pool = workshop.pool(check=lambda _: None)
    lend(pool, 1)
    lend(pool, 1)
    assert pool.stats().made == 1


def test_an_interrupted_check_leaves_its_place_free(workshop: Workshop) -> None:
    def check(_: Member) -> None:
        raise KeyboardInterrupt

    pool = workshop.pool(max_size=1, check=check)
    lend(pool, 1)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert pool.stats().size == 0
    lend(pool, 1)


@pytest.mark.parametrize("why", ["lifetime", "check"])
def test_a_closing_interrupted_on_the_way_leaves_its_place_free(workshop: Workshop, clock: Clock, why: str) -> None:
    pool = workshop.pool(max_size=1, max_lifetime=100, max_idle=1000, clock=clock, check=lambda member: member.fit)
    lend(pool, 1)
    if why == "lifetime":
        clock.now += 100
    workshop.made[0].fit = False
    workshop.before_closing = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert (pool.stats().size, closed(pool)) == (0, {why: 1})
    lend(pool, 1)


def test_a_member_that_cannot_be_closed_is_only_logged(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    pool = workshop.pool(max_uses=1, name="cranky")
    workshop.before_closing = lambda: (_ for _ in ()).throw(OSError("stuck"))
    with caplog.at_level(logging.WARNING):
        lend(pool, 1)
    assert closed(pool) == {"uses": 1}
    assert "cranky" in caplog.text
    assert "stuck" in caplog.text


def test_a_drained_pool_lends_none_of_its_members_again(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=3)
    lend(pool, 3)
    out = pool.take()
    pool.drain()
    assert sorted(workshop.closed) == [0, 1]
    assert not out.closed, "somebody uses it"
    pool.release(out)
    assert closed(pool) == {"drain": 3}
    with pool.acquire() as member:
        assert member.number == 3
    lend(pool, 1)
    assert pool.stats().made == 4, "those made since are kept"


def test_a_member_begun_before_the_drain_is_not_kept_either(workshop: Workshop) -> None:
    pool = workshop.pool()

    def drain_meanwhile() -> None:
        workshop.before_making = lambda: None
        pool.drain()

    workshop.before_making = drain_meanwhile
    lend(pool, 1)
    assert closed(pool) == {"drain": 1}


def test_maintenance_replaces_what_was_drained_up_to_the_members_that_are_kept(workshop: Workshop) -> None:
    pool = workshop.pool(min_size=2)
    pool.maintain()
    pool.drain()
    assert pool.stats().size == 0
    pool.maintain()
    assert (pool.stats().idle, pool.stats().made) == (2, 4)
