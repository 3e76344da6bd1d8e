"""What a job's entry says is true, for whoever waits and for whoever joins; and an end that is told stays told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from house import ENDING, GROUP, TOLD, House
from qstore.job import Batch, Job
from qstore.state.connection import Connection
from qstore.state.ending import Settled
from qstore.state.entry import Telling
from qstore.state.keys import Keys

STARTED = '{"started": true, "task_id": '
RETRY = '{"retry": true, "task_id": '


def submit(house: House, *run_ids: str) -> None:
    """One job for each run, named after it."""
    for run_id in run_ids:
        house.submit(run_id, f"j{run_id}")


def begin(house: House) -> Batch:
    begun = house.batches.begin(house.take())
    assert begun is not None
    return begun[0]


def names(jobs: list[Job] | None) -> list[str]:
    assert jobs is not None
    return [job.job_id for job in jobs]


def queued(position: int, job_id: str) -> str:
    return f'{{"position": {position}, "task_id": "{job_id}"}}'


def tell(house: House, says: str, *job_ids: str) -> int:
    """Say something in the entries of jobs, as `Entries.tell` does; returns how many heard it."""
    tellings = [Telling(house.keys.job(job), house.entry(job).key, f'{says}"{job}"}}', 60) for job in job_ids]
    keys = [key for each in tellings for key in (each.job, each.key)]
    told: int = house.connection.call("tell", keys, [60, *(each.value for each in tellings)])
    return told


# -- waiting ------------------------------------------------------------------------------------------------


def test_a_waiting_job_says_how_many_circuits_are_before_its_own(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.submit("r1", "joined")
    assert [house.says(f"jr{number}") for number in range(3)] == [queued(number, f"jr{number}") for number in range(3)]
    assert house.says("joined") == queued(1, "joined")
    house.submit("r3", "hurried", priority=0)
    house.submit("r4", "patient", priority=9)
    assert house.says("patient") == queued(4, "patient")


def test_a_position_is_that_of_the_moment_it_is_asked_for(house: House) -> None:
    submit(house, "r0", "r1", "r2", "r3")
    assert house.claims.position("jr3") == 3
    taken = house.take()
    assert house.claims.position("jr3") == 0
    assert house.claims.position("jr0") is None  # it is on its way
    house.batches.put_back(taken, 0, blame=False)
    assert house.claims.position("jr3") == 3
    assert house.claims.position("nobody") is None


def test_each_group_counts_for_itself(house: House) -> None:
    submit(house, "r0", "r1")
    house.submit("q", "jq", replace(GROUP, shots=7))
    assert house.says("jq") == queued(0, "jq")
    assert house.claims.position("jq") == 0


def test_an_entry_is_forgotten_in_time(house: House) -> None:
    submit(house, "r0")
    client = house.connection.client
    assert 0 < client.ttl(house.entry("jr0").key) <= 60
    tell(house, TOLD, "jr0")
    assert 0 < client.ttl(house.entry("jr0").key) <= 60
    house.cancellations.cancel(["jr0"])
    assert 0 < client.ttl(house.entry("jr0").key) <= 60


# -- the same job twice -------------------------------------------------------------------------------------


def test_a_job_that_is_submitted_again_under_its_id_counts_once(house: House) -> None:
    assert house.submit("r", "j") == ("queued", False)
    assert [house.submit("r", "j", priority=9, expires=1.0) for _ in range(3)] == [("joined", False)] * 3
    assert house.budget.waiting() == 1
    assert house.connection.client.llen(house.keys.jobs("r")) == 1
    assert not house.connection.client.exists(house.keys.expiring)
    assert len(house.ledger.tick(25).arrivals) == 1


def test_many_who_submit_one_job_at_once_submit_it_once(house: House) -> None:
    barrier = threading.Barrier(8)

    def produce(_: int) -> str:
        barrier.wait()
        (answer,) = house.claims.ask([(house.ask("r", "j"), house.run("r"))])
        return answer.kind

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(produce, range(8))) == ["joined"] * 7 + ["queued"]
    assert house.budget.waiting() == 1


def test_a_job_that_is_submitted_again_says_what_it_said(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    house.ledger.submitted(batch, "remote", 60, TOLD)
    tell(house, TOLD, "jr1")
    house.submit("r1", "jr1")
    assert house.says("jr1") == f'{TOLD}"jr1"}}'


@pytest.mark.parametrize("cached", [False, True])
def test_an_id_that_waits_cannot_be_another_job_s(house: House, cached: bool) -> None:
    submit(house, "r0", "r1", "r2")
    if cached:
        batch = begin(house)
        house.ledger.settle(batch, [ENDING] * 3)
        house.finish(batch)
    house.submit("other", "j")
    assert house.submit("r0", "j") == ("taken", False)
    assert house.says("j") == queued(0 if cached else 3, "j")


def test_an_id_whose_job_has_ended_is_free_again(house: House) -> None:
    house.submit("r", "j")
    house.cancellations.cancel(["j"])
    (record,) = house.ledger.tick(25).batches
    house.finish(record)
    assert house.ended.pop("j") == ["revoked"]
    assert house.submit("other", "j") == ("queued", False)
    assert house.says("j") == queued(0, "j")


# -- at IonQ ------------------------------------------------------------------------------------------------


def test_whoever_waits_at_the_first_look_is_to_be_told(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.submit("r1", "joined")
    batch = begin(house)
    house.submit("r2", "late")
    assert house.ledger.submitted(batch, "remote", 0, TOLD)
    (record,) = house.claim_due()
    assert names(house.ledger.postpone(record, 60, told=TOLD)) == ["jr0", "jr1", "joined", "jr2", "late"]


def test_whoever_joins_says_at_once_what_the_others_say(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    house.submit("r0", "early")
    assert house.says("early") == queued(0, "early")
    house.ledger.submitted(batch, "remote", 0, TOLD)
    house.submit("r0", "joined")
    assert house.says("joined") == f'{TOLD}"joined"}}'
    (record,) = house.claim_due()
    assert record.told == TOLD
    assert "joined" in names(house.ledger.postpone(record, 0, told=STARTED))
    assert [each.told for each in house.claim_due()] == [STARTED]
    house.submit("r2", "latest")
    assert house.says("latest") == f'{STARTED}"latest"}}'


def test_whoever_joins_what_came_back_waits_like_the_others(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.ledger.submitted(begin(house), "remote", 0, TOLD)
    (record,) = house.claim_due()
    assert house.batches.put_back(record, 0, blame=False) == "returned"
    house.submit("r1", "joined")
    assert house.says("joined") == queued(1, "joined")


def test_those_who_join_at_ionq_are_told_of_as_such(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.ledger.submitted(begin(house), "remote", 60, TOLD)
    house.submit("r0", "joined")
    house.submit("r9", "waits")
    tick = house.ledger.tick(25)
    assert {job.job_id for job in tick.arrivals} == {"jr0", "jr1", "jr2", "joined", "waits"}
    assert [job.job_id for job in tick.latecomers] == ["joined"]


def test_who_was_told_of_while_it_waited_is_known_at_its_end_and_nobody_else(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    assert len(house.ledger.tick(25).arrivals) == 3
    house.submit("r1", "joined")
    batch = begin(house)
    house.cancellations.cancel(["jr0"])
    house.ledger.settle(batch, [ENDING] * 3)
    house.finish(batch)
    assert len(house.ledger.tick(25).arrivals) == 0  # it is over already
    house.wind_up()
    assert house.known == {"jr0": True, "jr1": True, "jr2": True, "joined": False}


def test_of_jobs_that_do_not_wait_for_long_nobody_is_told(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, news_after=60.0)
    submit(house, "r0", "r1", "r2")
    assert house.ledger.tick(25).arrivals == ()
    house.wind_up()
    assert set(house.known.values()) == {False}


def test_nothing_new_is_told_to_nobody(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.ledger.submitted(begin(house), "remote", 0, TOLD)
    (record,) = house.claim_due()
    assert names(house.ledger.postpone(record, 60)) == []
    house.submit("r0", "joined")
    assert house.says("joined") == f'{TOLD}"joined"}}'


# -- what is over stays over --------------------------------------------------------------------------------


def test_whoever_was_canceled_or_finished_meanwhile_is_told_nothing(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    house.cancellations.cancel(["jr0"])
    assert tell(house, TOLD, "jr0", "jr1", "jr2", "nobody") == 2
    assert [house.says(f"jr{number}") for number in range(3)] == ["revoked", f'{TOLD}"jr1"}}', f'{TOLD}"jr2"}}']
    assert house.says("nobody") is None
    house.ledger.settle(batch, [ENDING] * 3)
    house.finish(batch)
    assert tell(house, TOLD, "jr1", "jr2") == 0
    assert house.says("jr1") == "counts"


def test_what_comes_back_says_so_only_to_those_who_wait_for_it(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    tellings = [Telling(house.keys.job(f"jr{n}"), house.entry(f"jr{n}").key, f'{RETRY}"jr{n}"}}', 60) for n in range(3)]
    house.cancellations.cancel(["jr1"])
    assert house.batches.put_back(batch, 0, blame=True, tellings=tellings) == "returned"
    assert [house.says(f"jr{n}") for n in range(3)] == [f'{RETRY}"jr0"}}', "revoked", f'{RETRY}"jr2"}}']


def test_an_end_replaces_whatever_was_said(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    house.ledger.submitted(batch, "remote", 0, TOLD)
    tell(house, TOLD, "jr0")
    (record,) = house.claim_due()
    settled = house.ledger.settle(record, [ENDING] * 3)
    assert settled == house.ledger.unfinished(record)
    assert settled is not None
    assert all(isinstance(each, Settled) for each in settled)
    house.finish(record)
    assert [house.says(f"jr{number}") for number in range(3)] == ["counts"] * 3
    assert not house.connection.client.exists(*(house.keys.job(f"jr{number}") for number in range(3)))


def test_a_job_that_ignores_its_result_is_never_heard_of(house: House) -> None:
    silent = house.ask("r0", "silent", expires=4e9, ignore_result=True)
    silent = replace(silent, entry=replace(silent.entry, expires=0))
    house.claims.ask([(silent, house.run("r0"))])
    assert house.says("silent") is None
    submit(house, "r1", "r2")
    house.claims.ask([(replace(silent, run_id="r1", job=replace(silent.job, job_id="joins")), None)])
    batch = begin(house)
    house.batches.put_back(batch, 0, blame=True)
    house.ledger.submitted(begin(house), "remote", 60, TOLD)
    house.claims.ask([(replace(silent, run_id="r2", job=replace(silent.job, job_id="late")), None)])
    assert house.budget.waiting() == 5
    assert house.cancellations.cancel(["late"]) == [True]
    assert [house.says(job_id) for job_id in ("silent", "joins", "late")] == [None] * 3
