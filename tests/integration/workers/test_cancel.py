"""What nobody wants any more is not sent, or canceled at IonQ; whoever wants it still, or again, gets counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from conditions import wait_until
from producer import Producer
from qstore import errors
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import CANCEL, JOB, LOOK, SUBMIT, Answer, Part, ScriptedIonQ

pytestmark = pytest.mark.usefixtures("redis_server")

Replicas = Callable[..., Any]

PAST = 1.0  # epoch seconds
CANCELED_THERE = "PUT /jobs/{id}/status/cancel"


@pytest.fixture
def producer(connection: Connection, keys: Keys) -> Producer:
    return Producer(connection, keys)


@pytest.fixture
def ionq() -> Iterator[ScriptedIonQ]:
    """One whose jobs run until the test ends them."""
    server = ScriptedIonQ()
    server.prepare = running
    yield server
    server.close()


def is_now(part: Part, status: str) -> None:
    """Let a job, and its children, be in a state; each gives a fair coin on both qubits."""
    for each in (part, *part.children):
        each.document["status"] = status
        each.share = {"0": 0.5, "3": 0.5}


def running(part: Part) -> None:
    is_now(part, "started")


def complete(part: Part) -> None:
    is_now(part, "completed")


def completed_already(part: Part) -> Answer:
    complete(part)
    return 409, {"message": "it is completed"}


def has_counts(result: AsyncResult) -> bool:
    counts: dict[str, int] = result.get(timeout=1)["counts"]
    return sum(counts.values()) == 50


def is_revoked(result: AsyncResult, reason: str = "revoked") -> bool:
    with pytest.raises(TaskRevokedError, match=reason):
        result.get(timeout=1)
    return str(result.state) == "REVOKED"


def look_now(producer: Producer) -> None:
    """Let every pause be over; a lease, which is longer than any, goes on."""
    client: Any = producer.connection.client
    if batch_ids := client.zrangebyscore(producer.keys.due, "-inf", (time.time() + 100) * 1000):
        client.zadd(producer.keys.due, dict.fromkeys(batch_ids, 0), xx=True)


def nothing_left(producer: Producer) -> Callable[[], bool]:
    """Whether nothing is left, once every pause is over."""

    def over() -> bool:
        look_now(producer)
        return not producer.left()

    return over


def sent(producer: Producer, turning: Any) -> None:
    turning.turn_until(lambda: producer.states() == {"submitted"}, "the request")


# -- before it is sent --------------------------------------------------------------------------------------


def test_what_is_canceled_in_its_group_is_never_sent(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    results = producer.submit(3)
    assert producer.cancel(*results) == [True] * 3
    assert all(is_revoked(result) for result in results)
    replica(ionq.url).turn_until(nothing_left(producer), "the end")
    assert ionq.asked == []
    assert all(is_revoked(result) for result in results)


@pytest.mark.parametrize(("place", "of"), [("dispatch.taken", 3), ("dispatch.taken", 2), ("dispatch.begun", 3)])
def test_what_is_canceled_on_its_way_is_not_sent_or_not_kept(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ, place: str, of: int
) -> None:
    ionq.prepare = complete
    results = producer.submit(3)
    turning = replica(ionq.url, poll_floor=90.0)
    answers: list[bool] = []

    def reached(name: str) -> None:
        if name == place and not answers:
            answers.extend(producer.cancel(*results[:of]))

    turning.resources.dispatch._reached = reached
    turning.turn_until(lambda: answers, "the place")
    assert answers == [True] * of
    turning.turn_until(nothing_left(producer), "the end")
    assert all(is_revoked(result) for result in results[:of])
    assert all(has_counts(result) for result in results[of:])
    if place == "dispatch.begun":
        assert ionq.asked.count(SUBMIT) == 1
    elif of == 3:
        assert ionq.asked == []
    else:
        assert not ionq.job.children  # the only one left went alone
    assert turning.resources._slots.in_flight() == 0
    assert not list(producer.connection.client.scan_iter(f"{producer.keys.prefix}breaker:*:stake"))


def test_what_is_canceled_while_ionq_takes_it_is_canceled_there_at_once(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url, poll_floor=90.0)

    def meanwhile(part: Part) -> None:
        running(part)
        assert producer.cancel(*results) == [True] * 3

    ionq.prepare = meanwhile
    turning.turn_until(lambda: CANCEL in ionq.asked, "the cancel")
    assert ionq.asked == [SUBMIT, LOOK, CANCEL]
    turning.turn_until(nothing_left(producer), "the end")
    assert ionq.asked.count(SUBMIT) == ionq.asked.count(CANCEL) == 1


def test_a_job_that_expires_in_its_group_ends_and_is_never_sent(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = complete
    soon = time.time() + 0.2
    expiring = producer.ask(1, "expires", expires=soon)
    late = producer.ask(1, "expires too", expires=PAST)
    stays = producer.ask(2, "stays")
    turning = replica(ionq.url, batch_timeout=2.0)
    wait_until(lambda: time.time() > soon)
    turning.turn_until(lambda: expiring.ready() and late.ready(), "the end")
    assert is_revoked(expiring, "expired")
    assert is_revoked(late, "expired")
    assert ionq.asked == []
    assert stays.state == "QUEUED"
    producer.cancel(stays)
    turning.turn_until(nothing_left(producer), "the end")


def test_what_has_expired_before_a_replica_is_up_is_not_sent(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = complete
    results = [producer.ask(number, f"j{number}", expires=PAST if number < 3 else None) for number in (1, 2, 3)]
    replica(ionq.url).turn_until(nothing_left(producer), "the end")
    assert all(is_revoked(result, "expired") for result in results[:2])
    assert has_counts(results[2])
    assert not ionq.job.children


def test_what_expires_at_ionq_is_delivered(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    soon = time.time() + 1.0
    result = producer.ask(1, "expires", expires=soon)
    turning = replica(ionq.url)
    sent(producer, turning)
    joined = producer.ask(1, "joins", expires=soon)
    turning.turn_until(lambda: time.time() > soon, "the time")
    assert {result.state, joined.state} <= {"SUBMITTED", "STARTED"}
    complete(ionq.job)
    turning.turn_until(nothing_left(producer), "counts")
    assert has_counts(result)
    assert has_counts(joined)


# -- at IonQ ------------------------------------------------------------------------------------------------


def test_an_ionq_job_is_canceled_with_its_last_job_and_not_before(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = [*producer.submit(3), producer.ask(2, "joined")]
    turning = replica(ionq.url, poll_floor=90.0)
    sent(producer, turning)
    assert producer.cancel(*results[:3]) == [True] * 3
    look_now(producer)
    turning.turn_until(lambda: LOOK in ionq.asked, "a look")
    wait_until(lambda: results[3].state == "STARTED", what="the end of the look")
    assert CANCEL not in ionq.asked

    assert producer.cancel(results[3]) == [True]
    turning.turn_until(lambda: CANCEL in ionq.asked, "the cancel")  # in its next turn, whatever the pause
    assert ionq.asked == [SUBMIT, LOOK, LOOK, CANCEL]
    turning.turn_until(nothing_left(producer), "the end")
    assert ionq.asked.count(CANCEL) == ionq.asked.count(SUBMIT) == 1
    assert all(is_revoked(result) for result in results)


def test_whoever_stays_gets_counts(producer: Producer, replica: Replicas, ionq: ScriptedIonQ) -> None:
    results = [*producer.submit(3), producer.ask(1, "joined")]
    turning = replica(ionq.url)
    sent(producer, turning)
    producer.cancel(*results[:2])
    complete(ionq.job)
    turning.turn_until(nothing_left(producer), "counts")
    assert is_revoked(results[0])
    assert is_revoked(results[1])
    assert has_counts(results[2])
    assert has_counts(results[3])
    assert results[3].get()["source"] == "executed"  # it stands for who caused it
    assert CANCEL not in ionq.asked


def test_the_stand_in_releases_what_is_canceled(producer: Producer, replica: Replicas, stand_in: Any) -> None:
    before = stand_in.stats()
    slow = {"kind": "slow", "latency": 600}
    with stand_in.committing(slow):
        results = producer.submit(3)
        turning = replica(stand_in.url)
        sent(producer, turning)
    producer.cancel(*results)
    turning.turn_until(nothing_left(producer), "the end")
    after = stand_in.stats()
    assert after["jobs_canceled"] - before["jobs_canceled"] == 1
    asked = after["by_endpoint"][CANCELED_THERE]
    assert sum(asked.values()) - sum(before["by_endpoint"].get(CANCELED_THERE, {}).values()) == 1


def test_counts_of_what_completed_before_it_was_canceled_answer_whoever_asks_next(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.on_cancel = completed_already
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    producer.cancel(*results)
    turning.turn_until(nothing_left(producer), "the end")
    assert producer.ask(1, "later").get(timeout=1)["source"] == "cached"
    assert all(is_revoked(result) for result in results)


def test_counts_of_what_ionq_would_not_cancel_are_kept_too(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.always[CANCEL] = 409, {"message": "not now"}
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    producer.cancel(*results)
    turning.turn_until(lambda: ionq.asked.count(CANCEL) > 2, "cancels")
    assert ionq.asked.count(CANCEL) <= ionq.asked.count(LOOK)
    complete(ionq.job)
    turning.turn_until(nothing_left(producer), "the end")
    assert producer.ask(1, "later").get(timeout=1)["source"] == "cached"


@pytest.mark.parametrize("answer", [(409, {"message": "not now"}), (404, {"message": "no such job"}), (503, {})])
def test_a_job_that_can_neither_be_canceled_nor_ends_is_given_up_in_time(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ, answer: Answer
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url, job_timeout_simulator=0.3, failure_threshold=1000)
    turning.resources.loop._collect._pace._grace = 0.1
    sent(producer, turning)
    ionq.always[CANCEL] = answer
    if answer[0] != 409:
        ionq.always[LOOK] = 200, {"jobs": [], "next": None}
        ionq.always[JOB] = answer
    producer.cancel(*results)
    turning.turn_until(nothing_left(producer), "the end")
    assert turning.resources._slots.in_flight() == 0


def test_where_ionq_asks_for_patience_nothing_is_canceled_meanwhile(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.headers = {"Retry-After": "100"}
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    ionq.always[LOOK] = 429, {}
    producer.cancel(*results)
    client: Any = producer.connection.client

    def pauses() -> bool:
        return any(at / 1000 > time.time() + 90 for _, at in client.zrange(producer.keys.due, 0, -1, withscores=True))

    turning.turn_until(lambda: ionq.asked.count(LOOK) > 0 and pauses(), "the pause")
    assert CANCEL not in ionq.asked


def test_what_is_wanted_again_when_it_is_canceled_goes_back_and_is_executed(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    again: list[AsyncResult] = []
    said: list[Any] = []

    def too_late(part: Part) -> Answer:
        again.append(producer.ask(2, "again"))
        said.append(again[0].info["remote_id"])
        is_now(part, "canceled")
        return 200, {"id": part.id, "status": "canceled"}

    def second(part: Part) -> None:
        said.append((again[0].state, again[0].info))
        complete(part)

    ionq.on_cancel, ionq.prepare = too_late, second
    producer.cancel(*results)
    turning.turn_until(nothing_left(producer), "counts")
    assert said == ["job-1", ("QUEUED", {"position": 0})]
    assert has_counts(again[0])
    assert again[0].get()["remote_id"] == "job-2"
    assert not ionq.jobs["job-2"].children  # the others are wanted by nobody
    assert all(is_revoked(result) for result in results)


def test_what_is_wanted_again_before_it_is_canceled_is_left_alone(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    producer.cancel(*results)
    again = producer.ask(3, "again")
    seen = ionq.asked.count(LOOK)
    turning.turn_until(lambda: ionq.asked.count(LOOK) > seen + 2, "looks")
    complete(ionq.job)
    turning.turn_until(nothing_left(producer), "counts")
    assert has_counts(again)
    assert CANCEL not in ionq.asked


def test_what_somebody_else_canceled_there_fails_whoever_waits(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    turning = replica(ionq.url)
    sent(producer, turning)
    producer.cancel(results[0])
    is_now(ionq.job, "canceled")
    turning.turn_until(nothing_left(producer), "the failure")
    assert is_revoked(results[0])
    for result in results[1:]:
        with pytest.raises(errors.IonQJobCanceledError, match="job-1"):
            result.get(timeout=1)


def test_another_replica_cancels_what_one_that_died_had_sent(
    producer: Producer, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = producer.submit(3)
    sent(producer, replica(ionq.url))
    producer.cancel(*results)
    replica(ionq.url).turn_until(nothing_left(producer), "the end")
    assert ionq.asked.count(CANCEL) == 1
