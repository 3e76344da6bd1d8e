"""A canceled job ends once, at once, wherever its run is; and its run goes with the last who wanted it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, GROUP, TOLD, House
from qstore.job import Batch
from qstore.state.batches import Loaded
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.keys import Keys

FAILED = '{"error": "JobFailedError", "args": ["no"]}'


def cancel(house: House, *job_ids: str) -> list[bool]:
    return house.cancellations.cancel(job_ids)


def submit(house: House, *run_ids: str) -> None:
    """One job for each run, named after it."""
    for run_id in run_ids:
        assert house.submit(run_id, f"j{run_id}")[0] == "queued"


def begin(house: House) -> Batch:
    begun = house.batches.begin(house.take())
    assert begun is not None
    return begun[0]


def send(house: House, pause: float = 60.0) -> Batch:
    batch = begin(house)
    assert house.ledger.submitted(batch, "remote", pause, TOLD)
    return batch


def due(house: House) -> list[Batch]:
    """What is to be done now, but for canceled jobs to be finished."""
    batches = house.ledger.tick(25).batches
    for batch in batches:
        if batch.state == "settled":
            house.finish(batch)
    return [batch for batch in batches if batch.state != "settled"]


def exists(house: House, *keys: str) -> int:
    count: Any = house.connection.client.exists(*keys)
    return int(count)


# -- in its group -------------------------------------------------------------------------------------------


def test_a_canceled_job_says_so_at_once_and_ends_as_a_record_of_its_own(house: House) -> None:
    submit(house, "r")
    heard = house.connection.client.pubsub()  # type: ignore[no-untyped-call]  # redis-py's own lack
    heard.subscribe(house.entry("jr").key)
    assert cancel(house, "jr") == [True]
    assert house.says("jr") == "revoked"
    message = wait_until(lambda: heard.get_message(ignore_subscribe_messages=True))
    assert message["data"] == b"revoked"
    heard.close()

    (record,) = house.ledger.tick(25).batches
    assert (record.state, record.run_ids, record.group) == ("settled", ("r",), GROUP)
    (settled,) = house.ledger.unfinished(record)
    assert [job.job_id for job in settled.jobs] == ["jr"]
    assert json.loads(settled.outcome) == {"error": "JobRevokedError", "args": ["revoked"]}
    house.finish(record)
    assert house.ended == {"jr": ["revoked"]}
    assert not exists(house, house.keys.due, house.keys.batch(record.batch_id))


def test_a_run_leaves_its_group_with_the_last_who_wants_it_and_the_group_goes_with_its_last_run(house: House) -> None:
    submit(house, "r0", "r1")
    house.submit("r0", "joined")
    assert house.budget.waiting() == 3
    assert cancel(house, "jr0") == [True]
    assert house.waiting_runs() == ["r0", "r1"]
    assert house.budget.waiting() == 2
    assert cancel(house, "joined") == [True]
    assert house.waiting_runs() == ["r1"]
    assert not exists(house, house.keys.run("r0"), house.keys.jobs("r0"))
    assert exists(house, house.keys.groups)
    assert cancel(house, "jr1") == [True]
    assert not exists(house, house.keys.groups, house.keys.queued, house.keys.pending(GROUP.to_json()))


def test_whoever_asks_again_for_what_was_canceled_makes_a_run_of_its_own(house: House) -> None:
    submit(house, "r")
    cancel(house, "jr")
    assert house.submit("r", "again") == ("queued", False)
    house.wind_up()
    assert house.ended == {"jr": ["revoked"], "again": ["counts"]}


def test_of_many_who_cancel_at_once_one_does(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    barrier = threading.Barrier(8)

    def together(_: int) -> list[bool]:
        barrier.wait()
        return cancel(house, "jr0", "jr1", "jr2")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(together, range(8)))
    assert [sum(answer) for answer in zip(*answers, strict=True)] == [1, 1, 1]
    assert cancel(house, "jr0") == [False]
    assert house.budget.waiting() == 0


def test_one_call_says_for_each_job_whether_it_was_ended_by_it(house: House) -> None:
    submit(house, "r0", "r1")
    assert cancel(house, "jr1", "nobody", "jr0", "jr1") == [True, False, True, True]
    assert cancel(house) == []


def test_a_job_that_has_ended_is_not_canceled(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = send(house)
    (claimed,) = wait_now(house, batch)
    assert house.ledger.settle(claimed, [ENDING, Ending(FAILED, cacheable=False), ENDING]) is not None
    assert cancel(house, "jr0", "jr1") == [False, False]  # their ends are known, and not written yet
    house.finish(claimed)
    assert cancel(house, "jr0", "jr1") == [False, False]
    assert house.says("jr0") == "counts"


def wait_now(house: House, batch: Batch) -> list[Batch]:
    """Let a pause be over."""
    house.connection.client.zadd(house.keys.due, {batch.batch_id: 0})
    return due(house)


def test_a_failed_job_about_to_be_finished_is_not_canceled_though_its_circuit_runs_again(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    assert house.ledger.settle(batch, [Ending(FAILED, cacheable=False)] * 3) is not None
    house.submit("r0", "another")
    assert cancel(house, "jr0", "another") == [False, True]
    house.finish(batch)


def test_a_job_whose_id_begins_another_s_is_told_apart(house: House) -> None:
    for job_id in ("job-10", "job-1", 'job-1","name":"x', "job-"):
        house.submit("r", job_id)
    assert cancel(house, "job-1") == [True]
    assert cancel(house, 'job-1","name":"x') == [True]
    house.wind_up()
    assert house.ended == {
        "job-1": ["revoked"],
        'job-1","name":"x': ["revoked"],
        "job-10": ["counts"],
        "job-": ["counts"],
    }


def test_a_job_in_half_a_batch_is_canceled_and_the_others_still_leave_in_time(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    first, second = house.batches.split(house.take()) or (GROUP, GROUP)
    submit(house, "r3")  # waits for company in the group the halves came from
    assert house.waiting_runs(second) == ["r2"]
    assert cancel(house, "jr2") == [True]
    assert house.waiting_runs(second) == []
    named: Any = house.connection.client.zrange(house.keys.groups, 0, -1)
    assert {GROUP.to_json().encode(), first.to_json().encode()} <= set(named)


def test_an_entry_that_is_not_there_is_not_made(house: House) -> None:
    ask = house.ask("r", "silent", ignore_result=True)
    house.claims.ask([(replace(ask, entry=replace(ask.entry, expires=0)), house.run("r"))])
    assert cancel(house, "silent") == [True]
    assert house.says("silent") is None


# -- on its way to IonQ -------------------------------------------------------------------------------------


def test_what_is_canceled_between_take_and_begin_is_not_sent(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    taken = house.take()
    assert cancel(house, "jr1") == [True]
    batch, loaded = house.batches.begin(taken) or (taken, [])
    assert batch.run_ids == ("r0", "r2")
    assert [each.run.run_id for each in loaded] == ["r0", "r2"]
    assert not exists(house, house.keys.run("r1"))
    house.ledger.submitted(batch, "remote", 0, TOLD)
    (claimed,) = due(house)
    assert claimed.run_ids == ("r0", "r2")


def test_a_batch_in_which_nothing_is_wanted_any_more_is_gone_before_it_is_sent(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    taken = house.take()
    assert cancel(house, "jr0", "jr1", "jr2") == [True] * 3
    batch, loaded = house.batches.begin(taken) or (taken, [Loaded(house.run("r0"), 0)])
    assert (batch.run_ids, loaded) == ((), [])
    assert house.slots.in_flight() == 0
    assert not exists(house, house.keys.batch(taken.batch_id), *(house.keys.run(f"r{n}") for n in range(3)))
    assert house.batches.begin(taken) is None


def test_a_run_that_is_being_taken_can_be_joined_by_others_after_it_was_canceled(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    taken = house.take()
    cancel(house, "jr1")
    assert house.submit("r1", "another") == ("joined", False)
    begun = house.batches.begin(taken)
    assert begun is not None
    assert begun[0].run_ids == ("r0", "r1", "r2")


@pytest.mark.parametrize("joined", [False, True])
def test_what_is_wanted_by_nobody_when_ionq_takes_it_is_looked_at_at_once(house: House, joined: bool) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    assert cancel(house, "jr0", "jr1", "jr2") == [True] * 3
    if joined:
        house.submit("r1", "another")
    house.ledger.submitted(batch, "remote", 60, TOLD)
    (record,) = due(house)
    assert record.state == "submitted"
    assert record.unwanted
    assert house.batches.deserted(record) is not joined  # who looks makes sure of it


def test_what_somebody_wants_when_ionq_takes_it_is_not_looked_at_before_its_time(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house)
    cancel(house, "jr0", "jr2")
    house.ledger.submitted(batch, "remote", 60, TOLD)
    assert due(house) == []
    (record,) = wait_now(house, batch)
    assert not record.unwanted
    assert not house.batches.deserted(record)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("deed", ["put back", "split"])
def test_what_comes_back_leaves_out_what_nobody_wants(house: House, deed: str, begun: bool) -> None:
    submit(house, "r0", "r1", "r2")
    batch = begin(house) if begun else house.take()
    cancel(house, "jr0", "jr1")
    if deed == "split":
        halves = house.batches.split(batch)
        assert halves is not None
        assert [house.waiting_runs(half) for half in halves] == [[], ["r2"]]
        assert house.ledger.tick(25).groups == (halves[1],)
    else:
        assert house.batches.put_back(batch, 0, blame=False) == "returned"
        assert house.waiting_runs() == ["r2"]
    assert house.places("r0") == []
    assert not exists(house, house.keys.run("r0"), house.keys.run("r1"))
    assert house.slots.in_flight() == 0


@pytest.mark.parametrize("deed", ["put back", "split"])
def test_of_a_batch_in_which_nothing_is_wanted_nothing_comes_back(house: House, deed: str) -> None:
    submit(house, "r0", "r1", "r2")
    batch = house.take()
    cancel(house, "jr0", "jr1", "jr2")
    if deed == "split":
        assert house.batches.split(batch) is not None
    else:
        assert house.batches.put_back(batch, 0, blame=False) == "returned"
    assert not exists(house, house.keys.groups, house.keys.pending(GROUP.to_json()), house.keys.run("r0"))


@pytest.mark.parametrize("to", ["a batch", "another group"])
def test_a_run_that_moves_while_it_is_looked_at_is_looked_at_again(
    house: House, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    submit(house, "r0", "r1", "r2")
    find, looks = house.cancellations._find, []

    def overtaken(job_ids: Sequence[str]) -> list[Any]:
        seen = list(find(job_ids))
        looks.append(len(seen))
        if len(looks) == 1:
            if to == "a batch":
                begin(house)
            else:
                house.batches.split(house.take())
        return seen

    monkeypatch.setattr(house.cancellations, "_find", overtaken)
    assert cancel(house, "jr0", "jr1") == [True, True]
    assert looks == [2, 2]
    if to == "another group":
        assert house.places("r0") == []
        assert not exists(house, house.keys.run("r0"), house.keys.run("r1"))


# -- at IonQ ------------------------------------------------------------------------------------------------


def test_at_ionq_a_batch_is_wanted_as_long_as_one_of_its_jobs_is(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.submit("r1", "joined")
    send(house)
    assert cancel(house, "jr0", "jr1", "jr2") == [True] * 3
    assert due(house) == []  # the pause goes on
    assert cancel(house, "joined") == [True]
    (record,) = due(house)
    assert record.unwanted
    assert house.batches.deserted(record)
    assert house.batches.put_back(record, 0, blame=False) == "returned"
    assert not exists(house, house.keys.run("r0"), house.keys.run("r1"), house.keys.run("r2"), house.keys.groups)


def test_the_last_to_leave_is_noticed_in_a_crowd(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    for number in range(30):
        house.submit(f"r{number % 3}", f"x{number}")
    send(house)
    crowd = [f"jr{number}" for number in range(3)] + [f"x{number}" for number in range(30)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda some: cancel(house, *some), [crowd[start::4] for start in range(4)]))
    assert all(all(answer) for answer in answers)
    (record,) = [batch for _ in range(3) for batch in due(house)]
    assert record.unwanted


def test_whoever_asks_meanwhile_for_a_run_nobody_wanted_gets_its_counts(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    send(house)
    cancel(house, "jr0", "jr1", "jr2")
    assert house.submit("r1", "another") == ("joined", False)
    assert house.says("another") == f'{TOLD}"another"}}'
    (record,) = due(house)
    assert record.unwanted
    assert not house.batches.deserted(record)
    # canceled there all the same, a moment ago: only what is wanted goes back, and keeps its place
    submit(house, "r9")
    assert house.batches.put_back(record, 0, blame=False) == "returned"
    assert house.waiting_runs() == ["r1", "r9"]
    assert house.places("r0") == []


def test_who_asked_meanwhile_and_left_again_was_the_last(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    send(house)
    cancel(house, "jr0", "jr1")
    house.submit("r1", "another")
    cancel(house, "jr2")
    for record in due(house):  # somebody looks, and finds it wanted
        assert not house.batches.deserted(record)
        assert house.ledger.postpone(record, 60) is not None
    cancel(house, "another")
    (record,) = due(house)
    assert record.unwanted
    assert house.batches.deserted(record)


def test_counts_of_a_run_nobody_waits_for_are_cached(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    send(house)
    cancel(house, "jr0", "jr1", "jr2")
    (record,) = due(house)
    assert house.ledger.settle(record, [ENDING] * 3) is not None
    house.finish(record)
    assert house.submit("r0", "later") == ("hit", False)


def test_canceling_takes_the_batch_from_whoever_was_about_to_pause(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    batch = send(house)
    (looking,) = wait_now(house, batch)
    cancel(house, "jr0", "jr1", "jr2")
    assert house.ledger.postpone(looking, 60) is None
    (record,) = due(house)
    assert record.unwanted


def test_who_was_left_counts_as_the_one_that_caused_the_run(house: House) -> None:
    submit(house, "r0", "r1", "r2")
    house.submit("r0", "joined")
    batch = send(house)
    cancel(house, "jr0")
    (record,) = wait_now(house, batch)
    settled = house.ledger.settle(record, [ENDING] * 3)
    assert settled is not None
    assert [job.job_id for job in settled[0].jobs] == ["joined"]
    house.finish(record)


# -- many at once -------------------------------------------------------------------------------------------


def test_a_thousand_jobs_are_canceled_in_one_call(connection: Connection, keys: Keys, house: House) -> None:
    large = House(connection, keys, size=500, max_queued=2000)
    asks = [(large.ask(f"r{n}", f"j{n}"), large.run(f"r{n}")) for n in range(1000)]
    assert {answer.kind for answer in large.claims.ask(asks)} == {"queued"}
    at_ionq = send(large)
    waits = large.take()
    assert all(large.cancellations.cancel([f"j{n}" for n in range(1000)]))
    begun = large.batches.begin(waits)
    assert begun is not None
    assert begun[1] == []
    assert large.budget.waiting() == 0
    record = wait_until(lambda: next((each for each in due(house) if each.batch_id == at_ionq.batch_id), None))
    assert record.unwanted


def test_stamps_find_every_job_that_carries_one_of_them(house: House) -> None:
    stamps: list[dict[str, Any] | None] = [{"tenant": "x"}, {"tenant": ["y", "x"]}, {"tenant": "z"}, {"on": "x"}, None]
    for number, stamp in enumerate(stamps):
        house.claims.ask([(house.ask(f"r{number % 3}", f"j{number}", stamps=stamp), house.run(f"r{number % 3}"))])
    assert sorted(house.cancellations.stamped({"tenant": "x"})) == ["j0", "j1"]
    assert sorted(house.cancellations.stamped({"tenant": ["z", "x"], "on": "x"})) == ["j0", "j1", "j2", "j3"]
    assert house.cancellations.stamped({"tenant": "w"}) == []
