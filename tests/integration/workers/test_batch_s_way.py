"""What becomes of a batch, whatever IonQ answers: taken, refused, certainly not taken, or unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from celery.result import AsyncResult
from pydantic import SecretStr

from conditions import free_port
from house import House
from producer import Producer, all_over
from qstore import errors
from qstore.app import app
from qstore.job import Group
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from workers.payload import payload

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def producer(connection: Connection, keys: Keys) -> Producer:
    return Producer(connection, keys)


def test_taken_batches_come_to_counts_and_leave_no_record(
    producer: Producer, replica: Callable[..., Any], stand_in: Any
) -> None:
    results = producer.submit(7)
    assert {result.state for result in results} == {"QUEUED"}
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert all(sum(result.get()["counts"].values()) == 50 for result in results)
    assert not list(producer.connection.client.scan_iter(f"{producer.keys.prefix}run:*"))
    assert not producer.connection.client.exists(producer.keys.due, producer.keys.groups)


def test_a_refused_batch_fails_its_jobs_in_ionq_s_words_and_is_not_sent_again(
    producer: Producer, replica: Callable[..., Any], answering: Any
) -> None:
    answering.status, answering.body = 402, b'{"error": "Payment Required", "message": "no credit", "statusCode": 402}'
    results = producer.submit(3)
    replica(answering.url).turn_until(all_over(producer, results), "the failure")
    for result in results:
        with pytest.raises(errors.IonQRefusedError, match="402: no credit"):
            result.get()
    assert answering.asked == ["POST /v0.4/jobs"]
    assert [each.state for each in producer.submit(3)] == ["QUEUED"] * 3  # a failure answers nobody else


def test_one_circuit_that_ionq_refuses_fails_alone(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection, keys: Keys
) -> None:
    before = stand_in.stats()["circuits_accepted"]
    bad = House(connection, keys, size=8)
    results = producer.submit(5)
    ask = bad.ask("f" * 64, f"{keys.prefix}bad")
    entry = producer.submission._entries.queued(ask.job.job_id)
    odd = replace(bad.run("f" * 64, Group("simulator", 50)), wire=b'[{"gate": "odd", "target": 0}]')
    bad.claims.ask([(replace(ask, entry=entry), odd)])
    results += [*producer.submit(2), AsyncResult(ask.job.job_id, app=app)]
    turning = replica(stand_in.url, batch_size=8)
    turning.turn_until(all_over(producer, results), "the end of all")
    with pytest.raises(errors.IonQRefusedError, match="400"):
        results[-1].get()
    assert all(sum(result.get()["counts"].values()) == 50 for result in results[:-1])
    assert stand_in.stats()["circuits_accepted"] - before == 7
    assert turning.resources._slots.in_flight() == 0


def test_a_wrong_key_fails_with_a_clear_error(producer: Producer, replica: Callable[..., Any], stand_in: Any) -> None:

    results = producer.submit(1)
    replica(stand_in.url, ionq_api_key=SecretStr("wrong")).turn_until(all_over(producer, results), "the failure")
    with pytest.raises(errors.IonQUnauthorizedError, match="403"):
        results[0].get()


def test_what_ionq_certainly_did_not_take_is_offered_again_and_then_taken(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, answering: Any
) -> None:
    answering.status, answering.headers = 429, {"Retry-After": "0"}
    results = producer.submit(3)
    throttled = replica(answering.url, max_retries=1000)
    throttled.turn_until(lambda: len(answering.asked) >= 3, "three attempts")
    assert not any(result.ready() for result in results)
    before = stand_in.stats()["circuits_accepted"]
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert all(sum(result.get()["counts"].values()) == 50 for result in results)
    assert stand_in.stats()["circuits_accepted"] - before == 3


def test_after_max_retries_the_jobs_fail_with_the_transient_error(
    producer: Producer, replica: Callable[..., Any]
) -> None:
    results = producer.submit(3)
    replica(f"http://127.0.0.1:{free_port()}/v0.4", max_retries=2).turn_until(
        all_over(producer, results), "the failure"
    )
    with pytest.raises(errors.IonQUnavailableError, match="cannot be reached"):
        results[0].get()


@pytest.mark.parametrize("status", [0, 500, 502, 503, 504])
def test_an_unknown_outcome_is_looked_up_before_anything_is_sent_again(
    producer: Producer, replica: Callable[..., Any], answering: Any, status: int
) -> None:
    answering.status, answering.body = status, b"<html>bad gateway</html>"
    producer.submit(3)
    replica(answering.url).turn_until(lambda: len(answering.asked) >= 4, "look-ups")
    assert answering.asked[0] == "POST /v0.4/jobs"
    assert set(answering.asked[1:]) == {"GET /v0.4/jobs"}
    assert len(producer.records()) == 1


def test_a_job_that_ionq_took_unheard_is_found_again_and_not_bought_twice(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection, keys: Keys
) -> None:
    results = producer.submit(3)
    dying = replica(stand_in.url, lease=0.05)
    batches = House(connection, keys, timeout=0.0, lease=0.05).batches
    batch = batches.take(Group("simulator", 50)).batch
    assert batch is not None
    before = stand_in.stats()["circuits_accepted"]

    # a worker that dies right after the request: IonQ has the job, and nobody remembers its id
    begun = batches.begin(batch)
    assert begun is not None
    dying.resources._ionq.submit(payload(batch, [each.run for each in begun[1]]))
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert all(sum(result.get()["counts"].values()) == 50 for result in results)
    assert stand_in.stats()["circuits_accepted"] - before == 3


def test_a_job_that_never_reached_ionq_is_sent_by_another_replica(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection, keys: Keys
) -> None:
    results = producer.submit(3)
    batch = House(connection, keys, timeout=0.0, lease=0.05).batches.take(Group("simulator", 50)).batch
    assert batch is not None
    before = stand_in.stats()["circuits_accepted"]
    replica(stand_in.url).turn_until(all_over(producer, results), "counts")
    assert stand_in.stats()["circuits_accepted"] - before == 3


def test_a_batch_canceled_at_ionq_says_so(producer: Producer, replica: Callable[..., Any], answering: Any) -> None:
    answering.status, answering.body = 201, b'{"id": "a-job", "status": "submitted", "session_id": null}'
    results = producer.submit(1)
    before = replica(answering.url)
    before.turn_until(lambda: producer.states() == {"submitted"}, "the request")
    answering.status = 200
    answering.body = b'{"jobs": [{"id": "a-job", "status": "canceled"}], "next": null}'
    before.turn_until(all_over(producer, results), "the failure")
    with pytest.raises(errors.IonQJobCanceledError, match="a-job"):
        results[0].get()


def test_a_failed_job_keeps_ionq_s_code_and_words(
    producer: Producer, replica: Callable[..., Any], answering: Any
) -> None:
    answering.status, answering.body = 201, b'{"id": "a-job", "status": "submitted", "session_id": null}'
    results = producer.submit(1)
    turning = replica(answering.url)
    turning.turn_until(lambda: producer.states() == {"submitted"}, "the request")
    answering.status = 200
    answering.body = (
        b'{"jobs": [{"id": "a-job", "status": "failed", "failure": {"code": "TooManyGates", "message": "too deep"}}]}'
    )
    turning.turn_until(all_over(producer, results), "the failure")
    with pytest.raises(errors.IonQJobFailedError, match="TooManyGates: too deep"):
        results[0].get()


def test_the_key_is_nowhere_in_redis_nor_in_any_repr(
    producer: Producer, replica: Callable[..., Any], stand_in: Any, connection: Connection
) -> None:
    turning = replica(stand_in.url)
    key = turning.settings.ionq_api_key.get_secret_value()
    heard: list[bytes] = []
    with connection.client.monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py's own lack
        results = producer.submit(3)
        turning.turn_until(all_over(producer, results), "counts")
        connection.client.echo("the end")
        for command in monitor.listen():
            heard.append(command["command"])
            if "the end" in command["command"]:
                break
    assert len(heard) > 10
    assert not any(key in command for command in heard)
    assert key not in repr(turning.settings) + repr(turning.resources._ionq) + repr(vars(turning.resources))
