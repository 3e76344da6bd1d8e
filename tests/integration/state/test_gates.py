"""What holds runs back, and what brings them back: slots, the budget, breakers, retries, halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, GROUP, TOLD, House
from qstore.errors import IonQUnavailableError
from qstore.job import Batch
from qstore.state.batches import Offers
from qstore.state.breaker import Permit, Rules
from qstore.state.connection import Connection
from qstore.state.entry import Telling
from qstore.state.keys import Keys

DOWN = IonQUnavailableError("away")


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**options: Any) -> House:
        made.append(House(connection, keys, **options))
        return made[-1]

    yield make
    made[0].clear()


def submit(house: House, count: int, start: int = 0) -> list[str]:
    return [house.submit(f"r{n}", f"j{n}")[0] for n in range(start, start + count)]


def settle(house: House, batch: Batch) -> None:
    assert house.ledger.settle(batch, [ENDING] * len(batch.run_ids)) is not None
    house.ledger.finished(batch)


# -- slots --------------------------------------------------------------------------------------------------


def test_no_more_batches_are_in_flight_than_there_are_slots(house: Callable[..., House]) -> None:
    full = house(max_concurrent=2)
    submit(full, 9)
    first, second = full.take(), full.take()
    refused = full.batches.take(GROUP)
    assert (refused.batch, refused.busy) == (None, True)
    assert full.places("r8") == ["group"]
    full.ledger.submitted(first, "remote", pause=0, told=TOLD)
    assert full.batches.take(GROUP).busy  # what IonQ works at is in flight still
    (claimed,) = full.claim_due()
    settle(full, claimed)
    third = full.take()
    full.batches.put_back(second, 0, blame=False)
    assert full.slots.in_flight() == 1
    settle(full, third)
    assert full.slots.in_flight() == 0


def test_a_slot_is_renewed_with_every_look_and_expires_with_its_last_holder(house: Callable[..., House]) -> None:
    state = house(max_concurrent=1, lease=0.1)
    submit(state, 6)
    state.ledger.submitted(state.take(), "remote", pause=0, told=TOLD)
    (claimed,) = state.claim_due()
    assert state.ledger.postpone(claimed, 0.4) is not None
    assert state.batches.take(GROUP).busy
    assert wait_until(lambda: state.batches.take(GROUP).batch)  # nobody looked again


# -- the breaker --------------------------------------------------------------------------------------------


def test_behind_an_open_breaker_runs_wait_in_their_group_and_leave_when_it_closes(house: Callable[..., House]) -> None:
    state = house(rules=Rules(failure_threshold=2, recovery_timeout=0.8, lease=30.0))
    submit(state, 9)
    breaker = state.breakers.submit(GROUP.backend)
    for batch in (state.take(), state.take()):
        breaker.report(Permit(batch.batch_id, batch.epoch), DOWN)
        assert state.batches.put_back(batch, 0, blame=True) == "returned"
    assert breaker.state() == "open"
    held = state.batches.take(GROUP)
    assert (held.batch, held.busy) == (None, False)
    assert GROUP not in state.ledger.tick(25).groups  # nobody asks again before it may leave
    assert [state.places(f"r{n}") for n in range(9)] == [["group"]] * 9

    wait_until(lambda: GROUP in state.ledger.tick(25).groups)
    probe = state.take()
    assert state.batches.take(GROUP).batch is None  # one probe
    assert state.ledger.submitted(probe, "remote", pause=60, told=TOLD)
    assert breaker.state() == "closed"
    assert state.take().run_ids


def test_what_fails_while_the_breaker_is_open_counts_for_no_run(house: Callable[..., House]) -> None:
    state = house(rules=Rules(failure_threshold=1, recovery_timeout=0.01, lease=30.0), offers=Offers(max_retries=0))
    submit(state, 3)
    breaker = state.breakers.submit(GROUP.backend)
    for _ in range(5):
        batch = wait_until(lambda: state.batches.take(GROUP).batch)
        breaker.report(Permit(batch.batch_id, batch.epoch), DOWN)
        assert state.batches.put_back(batch, 0, blame=True) == "returned"
    batch = wait_until(lambda: state.batches.take(GROUP).batch)
    assert [each.attempts for each in state.batches.load(batch)] == [0, 0, 0]


# -- retries ------------------------------------------------------------------------------------------------


def test_runs_are_offered_as_often_as_they_may_and_no_more(house: Callable[..., House]) -> None:
    state = house(offers=Offers(max_retries=2))
    submit(state, 3)
    assert [state.batches.put_back(state.take(), 0, blame=True) for _ in range(2)] == ["returned"] * 2
    last = state.take()
    assert state.batches.put_back(last, 0, blame=True) == "exhausted"
    assert state.places("r0") == ["batch"]
    assert state.batches.put_back(last, 0, blame=False) == "returned"


def test_pauses_add_up_to_a_deadline(house: Callable[..., House]) -> None:
    state = house(offers=Offers(max_retries=100, retry_timeout=0.05))
    submit(state, 3)
    assert state.batches.put_back(state.take(), 0.06, blame=True) == "returned"
    batch = wait_until(lambda: state.batches.take(GROUP).batch)
    assert state.batches.put_back(batch, 0.06, blame=True) == "exhausted"


def test_a_pause_holds_full_batches_too(house: Callable[..., House]) -> None:
    state = house()
    submit(state, 9)
    state.batches.put_back(state.take(), 0.5, blame=True)
    assert state.batches.take(GROUP).batch is None
    batch = wait_until(lambda: state.batches.take(GROUP).batch)
    assert batch.run_ids == ("r0", "r1", "r2")


def test_jobs_say_that_they_are_retried_only_where_the_lease_still_holds(house: Callable[..., House]) -> None:
    state = house(lease=0.05)
    submit(state, 3)
    telling = Telling(state.keys.job("j0"), state.entry("j0").key, "RETRY", 60)
    sleeper = state.take()
    (claimed,) = state.claim_due()
    assert state.batches.put_back(sleeper, 0, blame=True, tellings=[telling]) == "lost"
    assert state.connection.client.get(telling.key) == state.entry("j0").value.encode()
    assert state.batches.put_back(claimed, 0, blame=True, tellings=[telling]) == "returned"
    assert state.connection.client.get(telling.key) == b"RETRY"


# -- halves -------------------------------------------------------------------------------------------------


def test_a_split_batch_goes_on_as_two_that_never_meet_again(house: Callable[..., House]) -> None:
    state = house(size=5)
    submit(state, 5)
    batch = state.take()
    halves = state.batches.split(batch)
    assert halves is not None
    assert state.slots.in_flight() == 0
    assert set(state.ledger.tick(25).groups) == set(halves)
    submit(state, 1, start=5)
    taken = [state.batches.take(half).batch for half in halves]
    assert [each.run_ids for each in taken if each] == [("r0", "r1", "r2"), ("r3", "r4")]
    assert state.submit("r3", "again") == ("joined", False)


# -- the truth about a request ------------------------------------------------------------------------------


def test_that_ionq_took_a_batch_stands_even_from_a_replica_that_slept(house: Callable[..., House]) -> None:
    state = house(lease=0.05)
    submit(state, 3)
    sleeper = state.take()
    (claimed,) = state.claim_due()  # another replica looks it up, and has not found it yet
    assert state.ledger.submitted(sleeper, "remote", pause=0, told=TOLD)
    assert state.batches.put_back(claimed, 0, blame=True) == "lost"
    assert state.ledger.submitted(claimed, "remote", pause=0, told=TOLD)  # found after all: the same job
    assert not state.ledger.submitted(claimed, "another", pause=0, told=TOLD)
    assert state.claim_due()[0].remote_id == "remote"


def test_a_batch_that_went_back_cannot_be_submitted_any_more(house: Callable[..., House]) -> None:
    state = house(lease=0.05)
    submit(state, 3)
    sleeper = state.take()
    (claimed,) = state.claim_due()
    assert state.batches.put_back(claimed, 0, blame=True) == "returned"
    assert not state.ledger.submitted(sleeper, "remote", pause=0, told=TOLD)


def test_whether_a_request_may_be_on_its_way_is_remembered(house: Callable[..., House]) -> None:
    state = house(lease=0.1)
    submit(state, 6)
    never, sent = state.take(), state.take()
    assert state.batches.begin(sent) is not None
    found: dict[str, bool] = {}

    def all_claimed() -> bool:
        found.update({batch.batch_id: batch.begun for batch in state.ledger.tick(25).batches})
        return len(found) == 2

    wait_until(all_claimed)
    assert found == {never.batch_id: False, sent.batch_id: True}


# -- the budget ---------------------------------------------------------------------------------------------


def test_past_the_budget_nothing_is_queued_and_hits_still_answer(house: Callable[..., House]) -> None:
    state = house(max_queued=3)
    assert submit(state, 3) == ["queued"] * 3
    assert state.submit("r0", "joins") == ("full", False)
    assert state.submit("r9", "new") == ("full", False)
    assert not state.connection.client.exists(state.keys.run("r9"), f"{state.keys.prefix}entry:new")
    settle(state, state.take())
    assert state.budget.waiting() == 0
    assert state.submit("r0", "hit")[0] == "hit"
    assert state.submit("r9", "new")[0] == "queued"


def test_the_count_of_waiting_jobs_follows_every_way_a_run_can_go(house: Callable[..., House]) -> None:
    state = house()
    submit(state, 3)
    state.submit("r1", "joined")
    assert state.budget.waiting() == 4
    batch = state.take()
    state.batches.put_back(batch, 0, blame=True)
    assert state.budget.waiting() == 4
    halves = state.batches.split(state.take())
    assert halves is not None
    for half in halves:
        taken = state.batches.take(half).batch
        assert taken is not None
        settle(state, taken)
    assert state.budget.waiting() == 0
    assert not state.connection.client.exists(state.keys.queued)


def test_a_batch_of_another_backend_is_not_held_by_a_breaker_of_this_one(house: Callable[..., House]) -> None:
    state = house(rules=Rules(failure_threshold=1, recovery_timeout=600.0, lease=30.0))
    submit(state, 3)
    batch = state.take()
    state.breakers.submit(GROUP.backend).report(Permit(batch.batch_id, batch.epoch), DOWN)
    elsewhere = replace(GROUP, backend="qpu.forte-1", solo="q")
    state.submit("q", "jq", elsewhere)
    assert state.batches.take(elsewhere).batch is not None
