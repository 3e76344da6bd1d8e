"""Nothing is bought twice, whoever dies, freezes or stays silent; and what cannot be known is said, not guessed."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from celery.result import AsyncResult
from pydantic import SecretStr

from conditions import wait_until
from house import House
from producer import Producer, all_over
from qstore import errors
from qstore.app import app
from qstore.job import Group
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from workers import dispatch as dispatching
from workers.failpoint import POINTS, armed
from workers.payload import NONCE, payload

pytestmark = pytest.mark.usefixtures("redis_server")

LOOKUP = "GET /v0.4/jobs"


@pytest.fixture
def producer(connection: Connection, keys: Keys) -> Producer:
    return Producer(connection, keys)


def take(connection: Connection, keys: Keys) -> tuple[House, Any]:
    """Take the waiting batch as a replica whose lease is over at once."""
    house = House(connection, keys, timeout=0.0, lease=0.05)
    batch = house.batches.take(Group("simulator", 50)).batch
    assert batch is not None
    return house, batch


def test_a_request_is_not_sent_once_its_lease_could_run_out_before_the_answer(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = producer.submit(3)
    frozen, awake = replica(stand_in.url), replica(stand_in.url)
    before = stand_in.stats()
    clock = iter([0.0, float(frozen.settings.lease)])  # taken, then frozen for a whole lease right before the body

    class Clock:
        @staticmethod
        def clock_gettime(_: int) -> float:
            return next(clock)

    batch = frozen.resources.dispatch._batches.take(Group("simulator", 50)).batch
    assert batch is not None
    with monkeypatch.context() as patched:
        patched.setattr(dispatching, "time", Clock)
        frozen.resources.dispatch.send(batch)
    assert stand_in.stats()["jobs_accepted"] == before["jobs_accepted"]
    assert not producer.records()  # its circuits are back already
    awake.turn_until(all_over(producer, results), "counts")
    assert stand_in.stats()["circuits_accepted"] - before["circuits_accepted"] == 3


def test_a_job_bought_too_late_is_canceled_at_once(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection, keys: Keys
) -> None:
    results = producer.submit(3)
    house, batch = take(connection, keys)
    begun = house.batches.begin(batch)
    assert begun is not None
    late, loaded = begun
    sleeper = replica(stand_in.url)
    (claimed,) = house.claim_due()
    assert house.batches.put_back(claimed, 0, blame=False) == "returned"

    # the sleeper wakes up in the middle of its request, which nothing can stop any more
    remote_id = sleeper.resources._ionq.submit(payload(late, [each.run for each in loaded]))
    sleeper.resources.dispatch._taken(late, remote_id)
    assert stand_in.stats()["by_endpoint"]["PUT /jobs/{id}/status/cancel"] == {"200": 1}
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert all(result.get()["remote_id"] != remote_id for result in results)


def test_what_was_taken_and_never_sent_goes_back_without_asking_ionq(
    producer: Producer, replica: Callable[..., Any], answering: Any, connection: Connection, keys: Keys
) -> None:
    answering.status, answering.body = 201, b'{"id": "a-job", "status": "submitted", "session_id": null}'
    producer.submit(3)
    take(connection, keys)
    turning = replica(answering.url)
    turning.turn_until(lambda: answering.asked, "the request")
    assert answering.asked[0] == "POST /v0.4/jobs"


def test_a_list_that_tells_little_does_not_end_the_search(
    producer: Producer, replica: Callable[..., Any], answering: Any
) -> None:
    answering.status = 504
    results = producer.submit(1)
    turning = replica(answering.url, ionq_list_lag=0.2)
    turning.turn_until(lambda: answering.asked, "the request")
    (record,) = producer.records()
    nonce = producer.connection.hash_field(record, "nonce")
    answering.status, answering.body = (
        200,
        json.dumps(
            {
                "jobs": [
                    {"id": "odd", "metadata": "none"},
                    {"id": "ours", "metadata": {NONCE: nonce}},
                ]
            }
        ).encode(),
    )
    turning.turn_until(lambda: producer.states() == {"submitted"}, "the job")
    assert producer.connection.hash_field(record, "remote_id") == "ours"
    assert not results[0].ready()


def test_many_lost_answers_are_looked_up_in_one_search(
    producer: Producer, replica: Callable[..., Any], answering: Any
) -> None:
    answering.status = 504
    producer.submit(9)
    turning = replica(answering.url, ionq_list_lag=0.2)
    turning.turn_until(lambda: answering.asked.count("POST /v0.4/jobs") == 3, "three requests")
    answering.status, answering.body = 200, b'{"jobs": [], "next": null}'
    turning.turn_until(lambda: answering.asked.count("POST /v0.4/jobs") > 3, "a second offer")
    assert answering.asked.count(LOOKUP) <= 3


def test_a_lost_answer_is_found_on_a_later_page(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection, keys: Keys
) -> None:
    results = producer.submit(3)
    house, batch = take(connection, keys)
    begun = house.batches.begin(batch)
    assert begun is not None
    sent, loaded = begun
    ionq = replica(stand_in.url).resources._ionq
    ionq.submit(payload(sent, [each.run for each in loaded]))
    for _ in range(60):  # others buy meanwhile: three pages of newer jobs
        ionq.submit(payload(replace(sent, nonce="somebody-else-s"), [loaded[0].run]))
    before = stand_in.stats()["circuits_accepted"]
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert stand_in.stats()["circuits_accepted"] == before


def test_what_cannot_be_decided_is_surfaced_with_what_to_do(
    producer: Producer, replica: Callable[..., Any], answering: Any
) -> None:
    answering.status = 503
    results = producer.submit(3)
    turning = replica(answering.url, result_expires=0.4, failure_threshold=1000)
    turning.turn_until(all_over(producer, results), "the end")
    with pytest.raises(errors.SubmissionUncertainError, match=r"Look for a job named 'qstore [0-9a-f]+' at IonQ"):
        results[0].get()
    assert answering.asked.count("POST /v0.4/jobs") == 1


def test_a_retried_job_says_so_with_its_count_and_its_reason(
    producer: Producer, replica: Callable[..., Any], stand_in: Any
) -> None:
    results = producer.submit(3)
    wrong = replica(stand_in.url, ionq_api_key=SecretStr("wrong"), max_retries=1000)
    wrong.turn_until(lambda: (results[0].retries or 0) >= 2, "two retries")
    assert {result.state for result in results} == {"RETRY"}
    assert isinstance(results[0].result, errors.IonQUnauthorizedError)
    assert "403" in str(results[0].result)
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert {result.state for result in results} == {"SUCCESS"}


def test_without_room_delay_raises_and_with_a_timeout_it_waits_for_room(
    connection: Connection, keys: Keys, replica: Callable[..., Any], stand_in: Any
) -> None:
    producer = Producer(connection, keys, max_queued=3)
    results = producer.submit(3)
    (refused,) = producer.submitted(1)
    assert isinstance(refused.error, errors.QueueFull)
    assert "QSTORE_MAX_QUEUED_JOBS" in str(refused.error)
    assert AsyncResult(refused.job_id, app=app).state == "PENDING"  # nothing of it is left

    turning = replica(stand_in.url)
    turning.resources.loop.turns.start()
    patient = Producer(connection, keys, max_queued=3, queue_timeout=60.0, start=100)
    for _ in range(3):
        results += patient.submit(3)
    wait_until(all_over(producer, results), what="counts")
    turning.resources.loop.turns.stop(10)
    assert all(sum(result.get()["counts"].values()) == 50 for result in results)


@pytest.mark.parametrize("setting", ["nowhere=kill", "dispatch.taken=dance", "dispatch.taken", "settle.settled=kill:x"])
def test_a_fail_point_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(errors.InvalidSettingError, match=r"dispatch\.taken"):
        armed(setting)


def test_an_armed_place_kills_at_its_turn_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append((thread, number)))
    reached = armed("collect.read=kill:2")
    for place in (*POINTS, *POINTS, *POINTS):
        reached(place)
    assert sent == [(threading.get_ident(), signal.SIGKILL)]
    armed("")("collect.read")
    assert len(sent) == 1
