"""A run is in exactly one place: a group's list, a batch record, or the result cache."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, GROUP, TOLD, House
from qstore.state.batches import Taken
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.keys import Keys


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Any:
    made = House(connection, keys)
    yield made
    made.clear()


def test_a_full_batch_rings_and_nothing_else_does(house: House) -> None:
    assert [house.submit(f"r{n}", f"j{n}") for n in range(7)] == [("queued", n in {2, 5}) for n in range(7)]


def test_a_running_circuit_is_joined_wherever_it_is(house: House) -> None:
    house.submit("r", "first")
    assert house.submit("r", "second") == ("joined", False)
    house.submit("r2", "other")
    house.submit("r3", "another")
    batch = house.take()
    assert house.submit("r", "third") == ("joined", False)
    assert house.ledger.submitted(batch, "remote", pause=0, told=TOLD)
    (seen,) = house.claim_due()
    told = house.ledger.postpone(seen, 0, told=TOLD)
    assert told is not None
    assert [job.job_id for job in told] == ["first", "second", "third", "other", "another"]
    assert house.submit("r", "fourth") == ("joined", False)
    (submitted,) = house.claim_due()
    settled = house.ledger.settle(submitted, [ENDING] * 3)
    assert settled is not None
    assert [job.job_id for job in settled[0].jobs] == ["first", "second", "third", "fourth"]
    assert house.submit("r", "fifth") == ("hit", False)


def test_two_producers_at_once_make_one_run(house: House) -> None:
    barrier = threading.Barrier(8)

    def produce(number: int) -> str:
        ask = house.ask("r", f"j{number}")
        barrier.wait()
        (answer,) = house.claims.ask([(ask, house.run("r"))])
        return answer.kind

    with ThreadPoolExecutor(8) as pool:
        kinds = sorted(pool.map(produce, range(8)))
    assert kinds == ["joined"] * 7 + ["queued"]
    assert house.places("r") == ["group"]


def test_a_run_is_in_exactly_one_place_from_claim_to_cache(house: House) -> None:
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    assert house.places("r0") == ["group"]
    batch = house.take()
    assert house.places("r0") == ["batch"]
    assert house.batches.put_back(batch, pause=0, blame=True) == "returned"
    assert house.places("r0") == ["group"]
    again = house.take()
    assert again.run_ids == ("r0", "r1", "r2")
    assert again.nonce != batch.nonce
    assert house.ledger.submitted(again, "remote", pause=0, told=TOLD)
    (submitted,) = house.claim_due()
    assert house.places("r0") == ["batch"]
    assert house.ledger.settle(submitted, [ENDING] * 3) is not None
    assert house.places("r0") == ["cache"]
    house.ledger.finished(submitted)
    assert house.places("r0") == ["cache"]


def test_what_was_put_back_says_how_often(house: House) -> None:
    house.submit("r0", "j0")
    house.submit("r1", "j1")
    house.submit("r2", "j2")
    house.batches.put_back(house.take(), pause=0, blame=True)
    loaded = house.batches.load(house.take())
    assert [each.attempts for each in loaded] == [1, 1, 1]
    assert [each.run.run_id for each in loaded] == ["r0", "r1", "r2"]


def test_a_partial_batch_leaves_only_when_it_waited_long_enough(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, timeout=1.0)
    house.submit("r", "j")
    assert house.batches.take(GROUP) == Taken()
    taken = wait_until(lambda: house.batches.take(GROUP).batch)
    assert taken.run_ids == ("r",)
    house.clear()


def test_whoever_takes_a_batch_hears_of_another_full_one(house: House) -> None:
    for n in range(8):
        house.submit(f"r{n}", f"j{n}")
    assert [house.batches.take(GROUP).more for _ in range(3)] == [True, False, False]


def test_a_run_that_must_travel_alone_leaves_at_once(house: House) -> None:
    solo = replace(GROUP, solo="r")
    assert house.submit("r", "j", solo) == ("queued", True)
    batch = house.batches.take(solo).batch
    assert batch is not None
    assert batch.run_ids == ("r",)


def test_groups_do_not_mix(house: House) -> None:
    other = replace(GROUP, shots=200)
    house.submit("r0", "j0")
    house.submit("r1", "j1", other)
    house.submit("r2", "j2")
    house.submit("r3", "j3")
    assert house.take().run_ids == ("r0", "r2", "r3")


def test_an_outcome_that_may_not_be_reused_is_not_cached(house: House) -> None:
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    batch = house.take()
    house.ledger.settle(batch, [ENDING, Ending('{"error":"JobFailedError","args":[]}', cacheable=False), ENDING])
    assert house.submit("r0", "again")[0] == "hit"
    assert house.submit("r1", "once more")[0] == "queued"


def test_whoever_slept_through_a_lease_changes_nothing(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, lease=0.05)
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    sleeper = house.take()
    claimed = house.claim_due()
    (batch,) = claimed
    assert batch.batch_id == sleeper.batch_id
    assert batch.state == "intent"
    assert house.batches.begin(sleeper) is None
    assert house.ledger.settle(sleeper, [ENDING] * 3) is None
    assert house.ledger.postpone(sleeper, 0) is None
    assert house.batches.put_back(sleeper, 0, blame=True) == "lost"
    assert house.batches.split(sleeper) is None
    assert house.places("r0") == ["batch"]
    house.clear()


def test_a_batch_is_sent_with_its_circuits_and_a_whole_lease_before_it(house: House) -> None:
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    taken = house.take()
    begun = house.batches.begin(taken)
    assert begun is not None
    batch, loaded = begun
    assert float(batch.lease) >= float(taken.lease)
    assert [each.run for each in loaded] == [house.run(f"r{n}") for n in range(3)]
    assert house.ledger.submitted(batch, "remote", pause=0, told=TOLD)


def test_one_replica_claims_what_is_due(house: House) -> None:
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    house.ledger.submitted(house.take(), "remote", pause=0, told=TOLD)
    with ThreadPoolExecutor(8) as pool:
        ticks = list(pool.map(lambda _: house.ledger.tick(25), range(8)))
    assert sum(len(tick.batches) for tick in ticks) == 1


def test_what_a_dead_replica_left_settled_is_finished_by_another(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, lease=0.05)
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    batch = house.take()
    settled = house.ledger.settle(batch, [ENDING] * 3)
    claimed = house.claim_due()
    assert claimed[0].state == "settled"
    assert house.ledger.unfinished(claimed[0]) == settled
    house.clear()


def test_a_group_nobody_rang_for_is_named_when_it_is_overdue(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, timeout=0.05)
    house.submit("r", "j")
    wait_until(lambda: house.ledger.tick(25).groups == (GROUP,))
    house.take()
    assert house.ledger.tick(25).groups == ()
    house.clear()


def test_those_who_wait_are_told_of_once(house: House) -> None:
    for n in range(3):
        house.submit(f"r{n}", f"j{n}")
    house.submit("r0", "joined")
    assert {job.job_id for job in house.ledger.tick(25).arrivals} == {"j0", "j1", "j2", "joined"}
    assert house.ledger.tick(25).arrivals == ()


def test_flower_is_told_only_of_those_who_wait_for_a_while(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, news_after=0.3)
    house.submit("r0", "quick")
    assert house.ledger.tick(25).arrivals == ()
    house.cancellations.cancel(["quick"])
    house.submit("r1", "slow")
    arrived = wait_until(lambda: house.ledger.tick(25).arrivals)
    assert [job.job_id for job in arrived] == ["slow"]
    house.clear()
