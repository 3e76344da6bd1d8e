"""Every job says how far it is, whoever joined when; and a job that has ended says nothing else any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from conditions import wait_until
from producer import Producer, all_over
from qstore import errors
from qstore.app import app
from qstore.job import Job
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import LOOK, SUBMIT, Part, ScriptedIonQ

pytestmark = pytest.mark.usefixtures("redis_server")

Replicas = Callable[..., Any]


@pytest.fixture
def producer(connection: Connection, keys: Keys) -> Producer:
    return Producer(connection, keys)


@pytest.fixture
def ionq() -> Iterator[ScriptedIonQ]:
    """One whose jobs wait until the test lets them run, and end."""
    server = ScriptedIonQ()
    server.prepare = lambda part: is_now(part, "ready")
    yield server
    server.close()


def is_now(part: Part, status: str, **said: Any) -> None:
    """Let a job, and its children, be in a state; each gives a fair coin on both qubits."""
    for each in (part, *part.children):
        each.document.update(status=status, **said)
        each.share = {"0": 0.5, "3": 0.5}


def states(results: list[AsyncResult]) -> set[str]:
    return {str(result.state) for result in results}


def look_on(ionq: ScriptedIonQ, turning: Any) -> None:
    """Let a replica look until what it saw must have been told."""
    looks = ionq.asked.count(LOOK)
    turning.turn_until(lambda: ionq.asked.count(LOOK) > looks + 2, "looks")


def test_a_job_says_that_it_is_submitted_then_started_then_what_came_of_it(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    before = time.time()
    results = producer.submit(3)
    assert [(each.state, each.info) for each in results] == [("QUEUED", {"position": place}) for place in range(3)]
    turning = replica(ionq.url)
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    info = results[0].info
    assert {each.info["remote_id"] for each in results} == {"job-1"}
    assert f"{producer.keys.prefix}batch:{info['batch']}" in [key.decode() for key in producer.records()]
    assert before <= info["submitted_at"] <= time.time()
    assert info["predicted_seconds"] is None
    look_on(ionq, turning)
    assert states(results) == {"SUBMITTED"}

    is_now(ionq.job, "started")
    turning.turn_until(lambda: states(results) == {"STARTED"}, "STARTED")
    assert results[0].info["remote_id"] == "job-1"
    is_now(ionq.job, "completed")
    turning.turn_until(all_over(producer, results), "counts")
    assert states(results) == {"SUCCESS"}
    assert results[0].get()["times"]["sent"] == pytest.approx(info["submitted_at"], abs=5.0)


def test_whoever_is_in_a_hurry_is_told_to_be_before_the_others_and_is(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = lambda part: is_now(part, "completed")
    asked = [producer.ask(number, f"{number}", priority=priority) for number, priority in ((1, 9), (2, 0), (3, 5))]
    assert [result.info for result in asked] == [{"position": place} for place in (0, 0, 1)]
    # one after the other
    turning = replica(ionq.url, batch_size=1, ionq_pool_max_size=1)
    turning.turn_until(all_over(producer, asked), "counts")
    assert [result.get()["remote_id"] for result in asked] == ["job-3", "job-1", "job-2"]


def test_a_job_says_soon_that_it_is_submitted_however_seldom_looks_are(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url, poll_floor=90.0)
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    assert ionq.asked == [SUBMIT, LOOK]


def test_a_job_passes_on_what_ionq_predicts_and_when_it_predicts_otherwise(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = lambda part: is_now(part, "ready", predicted_wait_time_ms=60_000)
    results = producer.submit(3)
    turning = replica(ionq.url, poll_ceiling=0.01)
    turning.turn_until(
        lambda: states(results) == {"SUBMITTED"} and results[0].info["predicted_seconds"] == 60.0, "the prediction"
    )
    submitted_at = results[0].info["submitted_at"]
    is_now(ionq.job, "started", predicted_wait_time_ms=20_000, predicted_execution_duration_ms=500)
    turning.turn_until(lambda: states(results) == {"STARTED"}, "STARTED")
    assert [result.info["predicted_seconds"] for result in results] == [20.5] * 3
    # to the millisecond, as the ledger has it
    assert results[0].info["submitted_at"] == pytest.approx(submitted_at, abs=1.0)


def test_whoever_joins_says_at_once_what_the_others_say(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    assert producer.ask(2, "waits").info == {"position": 1}
    turning = replica(ionq.url)
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    joined = producer.ask(2, "joins")
    assert (joined.state, joined.info["remote_id"]) == ("SUBMITTED", "job-1")
    assert joined.info["batch"] == results[0].info["batch"]
    is_now(ionq.job, "started")
    turning.turn_until(lambda: states([*results, joined]) == {"STARTED"}, "STARTED")
    late = producer.ask(2, "joins late")
    assert (late.state, late.info) == ("STARTED", joined.info)
    is_now(ionq.job, "completed")
    turning.turn_until(all_over(producer, [*results, joined, late]), "counts")


def test_what_is_offered_again_says_so_and_is_submitted_after_that(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.instead[SUBMIT].append((401, {"message": "who are you?"}))
    results = producer.submit(3)
    said: list[tuple[str, Any, Any]] = []
    original = ionq.prepare

    def second(part: Part) -> None:
        said.extend((str(each.state), each.info, each.retries) for each in results)
        original(part)

    ionq.prepare = second
    turning = replica(ionq.url)
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    assert [(state, retries) for state, _, retries in said] == [("RETRY", 1)] * 3
    assert all(isinstance(error, errors.IonQUnauthorizedError) for _, error, _ in said)
    assert results[0].retries is None
    is_now(ionq.job, "completed")
    turning.turn_until(all_over(producer, results), "counts")


def test_a_job_that_was_found_again_at_ionq_says_that_it_is_submitted(
    producer: Producer, replica: Replicas, stand_in: Any
) -> None:
    results = producer.submit(3)
    turning = replica(stand_in.url, poll_floor=90.0)
    with stand_in.committing({"kind": "slow", "latency": 600}, {"kind": "drop_after", "endpoint": "POST /jobs"}):
        turning.turn_until(lambda: producer.states() == {"submitted"}, "the job")
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    remote_id = producer.connection.hash_field(producer.records()[0].decode(), "remote_id")
    assert {result.info["remote_id"] for result in results} == {remote_id}
    producer.cancel(*results)
    replica(stand_in.url).turn_until(lambda: not producer.left(), "the end")


def test_a_canceled_job_is_told_nothing_more(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url)
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    producer.cancel(results[0])
    is_now(ionq.job, "started")
    turning.turn_until(lambda: states(results[1:]) == {"STARTED"}, "STARTED")
    assert results[0].state == "REVOKED"
    is_now(ionq.job, "completed")
    turning.turn_until(all_over(producer, results), "counts")
    with pytest.raises(TaskRevokedError):
        results[0].get()


def test_a_job_that_ignores_its_result_is_nowhere_at_any_time(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.instead[SUBMIT].append((401, {"message": "who are you?"}))
    silent = [producer.ask(number, f"silent {number}", ignore_result=True) for number in (1, 2)]
    heard = producer.ask(3, "heard")
    client: Any = app.backend.client

    def entries() -> list[Any]:
        return list(client.mget([app.backend.get_key_for_task(result.id) for result in silent]))

    assert entries() == [None, None]
    turning = replica(ionq.url)
    told: list[Any] = []
    tell = turning.resources.loop._collect._progress._entries.tell

    def telling(jobs: list[Job], says: str) -> None:
        tell(jobs, says)
        told.extend(entries())

    turning.resources.loop._collect._progress._entries.tell = telling
    turning.turn_until(lambda: heard.state == "SUBMITTED", "SUBMITTED")
    joined = producer.ask(1, "silent 3", ignore_result=True)
    is_now(ionq.job, "started")
    turning.turn_until(lambda: heard.state == "STARTED", "STARTED")
    assert producer.cancel(silent[0]) == [True]
    is_now(ionq.job, "completed")
    turning.turn_until(all_over(producer, [heard]), "counts")
    assert set(told) == {None}
    assert entries() == [None, None]
    assert client.get(app.backend.get_key_for_task(joined.id)) is None
    assert producer.ask(1, "a hit", ignore_result=True).id
    assert client.get(app.backend.get_key_for_task(f"{producer.keys.prefix}a hit")) is None
    wait_until(lambda: not producer.left())


def test_what_is_told_is_told_once(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url)
    told: list[tuple[str, int]] = []

    class Heard:
        """Flower's part."""

        def submitted(self, jobs: list[Job]) -> None:
            told.append(("submitted", len(jobs)))

        def started(self, jobs: list[Job]) -> None:
            told.append(("started", len(jobs)))

    turning.resources.loop._collect._progress._announcer = Heard()
    turning.turn_until(lambda: states(results) == {"SUBMITTED"}, "SUBMITTED")
    look_on(ionq, turning)
    is_now(ionq.job, "started")
    turning.turn_until(lambda: states(results) == {"STARTED"}, "STARTED")
    producer.ask(1, "joined")
    look_on(ionq, turning)
    assert told == [("submitted", 3), ("started", 3)]


def test_one_id_is_one_job_s(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    first = producer.ask(1, "an id")
    assert producer.ask(1, "an id").id == first.id
    with pytest.raises(errors.JobIdTakenError, match="an id waits already"):
        producer.ask(2, "an id")
    ionq.prepare = lambda part: is_now(part, "completed")
    turning = replica(ionq.url)
    turning.turn_until(all_over(producer, [first]), "counts")
    other = producer.ask(2, "another id")
    turning.turn_until(all_over(producer, [other]), "counts")
    waiting = producer.ask(3, "an id")  # the first job has ended
    with pytest.raises(errors.JobIdTakenError):
        producer.ask(2, "an id")  # though the cache knows the answer
    assert waiting.state == "QUEUED"
    turning.turn_until(all_over(producer, [waiting]), "counts")
    assert ionq.asked.count(SUBMIT) == 3
