"""Idle members are checked ahead of need, several at once, and nobody is held up by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conditions import wait_until
from workers.pool import Pool
from workshop import Clock, Member, Workshop, lend

LONG = 30.0  # seconds; nothing here takes that long unless it fails


class Doctor:
    """Checks members; holds each check up where the test says so."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.at_work = 0
        self.proceed = threading.Event()
        self.proceed.set()
        self.raises: BaseException | None = None

    def __call__(self, member: Member) -> bool:
        assert member.in_hand.acquire(blocking=False), "checked while somebody has it"
        self.at_work += 1
        assert self.proceed.wait(LONG)
        self.at_work -= 1
        self.seen.append(member.number)
        member.in_hand.release()
        if self.raises is not None:
            raise self.raises
        return member.fit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def doctor() -> Doctor:
    return Doctor()


@pytest.fixture
def pool(workshop: Workshop, doctor: Doctor, clock: Clock) -> Pool[Member]:
    return workshop.pool(max_size=8, check=doctor, check_idle=60, clock=clock)


@pytest.fixture
def threads(doctor: Doctor) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor
        doctor.proceed.set()


def test_what_was_not_used_for_a_while_is_checked_once(pool: Pool[Member], doctor: Doctor, clock: Clock) -> None:
    lend(pool, 3)
    clock.now += 59
    pool.maintain()
    assert not doctor.seen
    clock.now += 1
    pool.maintain()
    pool.maintain()
    assert sorted(doctor.seen) == [0, 1, 2]
    clock.now += 60
    pool.maintain()
    assert sorted(doctor.seen) == [0, 0, 1, 1, 2, 2]


def test_what_was_used_meanwhile_needs_no_check(pool: Pool[Member], doctor: Doctor, clock: Clock) -> None:
    lend(pool, 2)
    clock.now += 59
    pool.release(pool.take())
    assert doctor.seen == [1], "as each is before it is lent again"
    clock.now += 1
    pool.maintain()
    assert doctor.seen == [1, 0]


def test_a_check_changes_nothing_about_who_is_lent_next(pool: Pool[Member], doctor: Doctor, clock: Clock) -> None:
    lend(pool, 3)
    clock.now += 30
    pool.release(pool.take())
    clock.now += 30
    pool.maintain()
    assert sorted(doctor.seen) == [0, 1, 2], "the last of them as it was lent"
    assert [pool.take().number for _ in range(3)] == [2, 1, 0]


def test_without_a_period_idle_members_are_not_checked(workshop: Workshop, doctor: Doctor, clock: Clock) -> None:
    pool = workshop.pool(check=doctor, clock=clock, max_idle=1e6)
    lend(pool, 2)
    clock.now += 1000
    pool.maintain()
    assert not doctor.seen


def test_a_period_without_a_check_makes_no_sense(workshop: Workshop) -> None:
    with pytest.raises(ValueError, match="no check"):
        workshop.pool(check_idle=60)


def test_one_that_fails_is_replaced(pool: Pool[Member], workshop: Workshop, clock: Clock) -> None:
    lend(pool, 3)
    workshop.made[1].fit = False
    clock.now += 60
    pool.maintain()
    assert workshop.closed == [1]
    stats = pool.stats()
    assert (stats.idle, stats.in_use, stats.made, stats.closed["check"]) == (3, 0, 4, 1)


def test_one_that_cannot_be_replaced_leaves_its_place_free(
    pool: Pool[Member], workshop: Workshop, clock: Clock
) -> None:
    lend(pool, 3)
    for member in workshop.made[:2]:
        member.fit = False
    workshop.before_making = lambda: (_ for _ in ()).throw(ConnectionError("nobody there"))
    clock.now += 60
    with pytest.raises(ConnectionError, match="nobody there"):
        pool.maintain()
    stats = pool.stats()
    assert stats.in_use == 0
    assert stats.made == stats.size + sum(stats.closed.values())


def test_a_check_is_no_use_and_resets_no_idle_time(workshop: Workshop, doctor: Doctor, clock: Clock) -> None:
    pool = workshop.pool(max_size=3, check=doctor, check_idle=60, max_idle=100, max_uses=2, clock=clock)
    lend(pool, 3)
    clock.now += 60
    pool.maintain()
    with pool.acquire() as member:
        assert member.number == 2, "the one used last, as before"
    assert pool.stats().closed["uses"] == 1, "at its second use, for the check was none"
    clock.now += 40
    pool.maintain()
    assert pool.stats().closed["idle"] == 2


def test_several_are_checked_at_once_and_never_all(
    pool: Pool[Member], doctor: Doctor, clock: Clock, threads: ThreadPoolExecutor
) -> None:
    lend(pool, 8)
    clock.now += 60
    doctor.proceed.clear()
    maintaining = threads.submit(pool.maintain)
    wait_until(lambda: doctor.at_work == 4, what="four checks at once")
    assert (pool.stats().idle, pool.stats().in_use) == (4, 4)
    doctor.proceed.set()
    maintaining.result(LONG)
    assert sorted(doctor.seen) == [*range(8)]
    assert (pool.stats().idle, pool.stats().in_use) == (8, 0)


def test_nobody_waits_for_a_check_while_another_member_is_idle(
    workshop: Workshop, clock: Clock, threads: ThreadPoolExecutor
) -> None:
    begun, proceed = threading.Event(), threading.Event()

    def check(member: Member) -> None:
        if member.number == 0 and not begun.is_set():  # held up only in the background
            begun.set()
            assert proceed.wait(LONG)

    pool = workshop.pool(max_size=2, check=check, check_idle=60, clock=clock)
    lend(pool, 2)
    clock.now += 60
    maintaining = threads.submit(pool.maintain)
    assert begun.wait(LONG)
    with pool.acquire(timeout=0) as member:
        assert member.number == 1
    waiting = threads.submit(lend, pool, 2)
    wait_until(lambda: pool.stats().waiting == 1, what="somebody who needs the one that is checked")
    proceed.set()
    waiting.result(LONG)
    maintaining.result(LONG)
    assert pool.stats().made == 2


def test_the_end_waits_for_a_check_under_way_and_makes_nothing_anew(
    pool: Pool[Member], workshop: Workshop, doctor: Doctor, clock: Clock, threads: ThreadPoolExecutor
) -> None:
    lend(pool, 1)
    workshop.made[0].fit = False
    clock.now += 60
    doctor.proceed.clear()
    maintaining = threads.submit(pool._upkeep.check_idle)
    wait_until(lambda: doctor.at_work, what="a check")
    closing = threads.submit(pool.close, LONG)
    wait_until(lambda: "closed" in repr(pool), what="the end to begin")
    assert not closing.done()
    doctor.proceed.set()
    maintaining.result(LONG)
    closing.result(LONG)
    assert workshop.closed == [0]
    assert len(workshop.made) == 1


def test_an_interrupted_check_ends_the_member(pool: Pool[Member], doctor: Doctor, clock: Clock) -> None:
    lend(pool, 1)
    clock.now += 60
    doctor.raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pool.maintain()
    assert (pool.stats().size, pool.stats().closed["errors"]) == (0, 1)
