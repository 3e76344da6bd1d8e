"""A job that expires ends while its circuit waits; once that is on its way, it gets what is paid for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, GROUP, TOLD, House
from qstore.job import Batch

PAST, FUTURE = 1.0, 4e9  # epoch seconds


def expire(house: House) -> tuple[str, ...]:
    """What a replica does in a turn with what has expired; says what that was, and finishes it."""
    tick = house.ledger.tick(25)
    house.cancellations.cancel(tick.expired, "expired")
    for batch in house.ledger.tick(25).batches:
        assert batch.state == "settled"
        house.finish(batch)
    return tick.expired


def begin(house: House) -> Batch:
    begun = house.batches.begin(house.take())
    assert begun is not None
    return begun[0]


def watched(house: House) -> list[str]:
    """Jobs that may expire still."""
    job_ids: Any = house.connection.client.zrange(house.keys.expiring, 0, -1)
    return [job_id.decode() for job_id in job_ids]


def test_a_job_expires_in_its_group_and_its_run_goes_with_it(house: House) -> None:
    house.submit("r0", "j0", expires=PAST)
    house.submit("r1", "j1", expires=FUTURE)
    assert expire(house) == ("j0",)
    assert house.ended == {"j0": ["expired"]}
    assert house.says("j0") == "expired"
    assert house.waiting_runs() == ["r1"]
    assert house.budget.waiting() == 1
    assert watched(house) == ["j1"]


def test_a_job_expires_at_its_time_and_not_before(house: House) -> None:
    at = time.time() + 0.3
    house.submit("r", "j", expires=at)
    expired = wait_until(lambda: house.ledger.tick(25).expired)
    assert time.time() >= at
    assert expired == ("j",)


def test_whoever_joined_waits_on_when_the_others_expire(house: House) -> None:
    house.submit("r", "j0", expires=PAST)
    house.submit("r", "j1")
    house.submit("r", "j2", expires=PAST)
    assert sorted(expire(house)) == ["j0", "j2"]
    assert house.waiting_runs() == ["r"]
    house.wind_up()
    assert house.ended == {"j0": ["expired"], "j1": ["counts"], "j2": ["expired"]}


def test_a_run_all_of_whose_jobs_have_expired_is_not_sent(house: House) -> None:
    for number, expires in enumerate([PAST, None, FUTURE]):
        house.submit(f"r{number}", f"j{number}", expires=expires)
    house.submit("r0", "joined", expires=PAST)
    batch = begin(house)
    assert batch.run_ids == ("r1", "r2")
    assert house.waiting_runs() == ["r0"]
    assert house.ledger.tick(25).groups == (GROUP,)  # it does not wait for company, only for its end
    assert sorted(expire(house)) == ["j0", "joined"]
    assert house.places("r0") == []
    assert not house.connection.client.exists(house.keys.run("r0"), house.keys.groups)


def test_a_batch_all_of_whose_jobs_have_expired_is_gone_and_its_slot_is_free(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", expires=PAST)
    taken = house.take()
    begun = house.batches.begin(taken)
    assert begun is not None
    assert begun[1] == []
    assert house.slots.in_flight() == 0
    assert not house.connection.client.exists(house.keys.batch(taken.batch_id), house.keys.due)
    assert len(expire(house)) == 3


def test_a_run_is_sent_as_long_as_one_of_its_jobs_has_time(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", expires=PAST)
        house.submit(f"r{number}", f"k{number}", expires=None if number else FUTURE)
    assert begin(house).run_ids == ("r0", "r1", "r2")


def test_what_expires_between_take_and_begin_ends_and_is_not_sent(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", expires=FUTURE if number else PAST)
    taken = house.take()
    assert expire(house) == ("j0",)
    assert house.ended == {"j0": ["expired"]}
    begun = house.batches.begin(taken)
    assert begun is not None
    assert begun[0].run_ids == ("r1", "r2")


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_is_on_its_way_expires_only_if_it_comes_back(house: House, comes_back: bool) -> None:
    at = time.time() + 0.5
    house.submit("r0", "j0", expires=at)
    house.submit("r1", "j1")
    house.submit("r2", "j2")
    batch = begin(house)
    wait_until(lambda: house.ledger.tick(25).expired == ("j0",))
    assert house.cancellations.cancel(["j0"], "expired") == [False]
    assert house.says("j0") == house.entry("j0").value
    assert house.ledger.tick(25).expired == ()  # nobody asks again for a while
    assert watched(house) == ["j0"]
    if comes_back:
        assert house.batches.put_back(batch, 0, blame=True) == "returned"
        assert wait_until(lambda: expire(house)) == ("j0",)
        assert house.ended == {"j0": ["expired"]}
        assert house.waiting_runs() == ["r1", "r2"]
    else:
        assert house.ledger.submitted(batch, "remote", 60, TOLD)
        assert watched(house) == []
        assert house.cancellations.cancel(["j0"], "expired") == [False]
        house.wind_up()
        assert house.ended["j0"] == ["counts"]


def test_whoever_joins_what_ionq_has_gets_counts_though_it_expires(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}")
    batch = begin(house)
    house.ledger.submitted(batch, "remote", 0, TOLD)
    assert house.submit("r0", "joined", expires=PAST) == ("joined", False)
    house.cancellations.cancel(["joined"], "expired")
    (record,) = house.claim_due()
    settled = house.ledger.settle(record, [ENDING] * 3)
    assert settled is not None
    assert [job.job_id for job in settled[0].jobs] == ["j0", "joined"]
    assert watched(house) == []
    house.finish(record)


@pytest.mark.parametrize("sent", [False, True])
def test_a_canceled_job_expires_no_more(house: House, sent: bool) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", expires=FUTURE)
    if sent:
        begin(house)
    assert house.cancellations.cancel(["j0", "j1"]) == [True, True]
    assert watched(house) == ["j2"]


def test_an_expired_job_that_was_finished_meanwhile_is_left_alone(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", expires=PAST)
    expired = house.ledger.tick(25).expired  # a replica is about to end them
    house.cancellations.cancel(["j0"])
    assert house.cancellations.cancel(expired, "expired") == [job_id != "j0" for job_id in expired]
    assert house.says("j0") == "revoked"


def test_jobs_that_never_expire_are_nowhere_looked_for(house: House) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}")
    assert watched(house) == []
    assert house.ledger.tick(25).expired == ()
