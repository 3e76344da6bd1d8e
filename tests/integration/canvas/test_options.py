"""Celery's call options, on jobs that go straight to the queue and on those that travel as messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from celery import chain, chord
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from redis import Redis

from conditions import wait_until
from integration.canvas import plain
from integration.canvas.books import Bought
from integration.canvas.hold import Call, Hold, fresh
from integration.canvas.sources import WITHIN, Source
from qstore import errors, submit_circuit
from qstore.app import app
from qstore.circuits.codec import decode

Published = list[dict[str, Any]]

NAME = "qstore.submit_circuit"


def soon(seconds: float = 0.3) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_job_waits_as_long_as_it_was_told_to(source: Source) -> None:
    not_before = soon()
    waits: list[dict[str, Any]] = [
        {"countdown": 0.3},
        {"eta": not_before},
        {"eta": not_before.replace(tzinfo=None)},  # in UTC, as Celery reads it
        {"eta": not_before.isoformat()},
    ]
    calls = source.calls(len(waits))
    results = [submit_circuit.apply_async(call, **wait) for call, wait in zip(calls, waits, strict=True)]
    for call, result in zip(calls, results, strict=True):
        answer = result.get(timeout=WITHIN)
        assert (answer["source"], answer["shots"]) == (source.name, call[1])
        assert answer["times"]["asked"] >= not_before.timestamp() - 0.05


@pytest.mark.parametrize("way", ["directly", "as a message"])
def test_a_job_that_expires_while_it_waits_is_revoked(hold: Hold, bought: Bought, way: str) -> None:
    call = hold.call()
    if way == "directly":
        result = submit_circuit.apply_async(call, expires=0.2)
    else:
        result = app.send_task(NAME, call, expires=0.2)
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(timeout=WITHIN)
    assert result.state == "REVOKED"
    hold.let_go()
    assert bought()["circuits_accepted"] == 0


def test_a_job_that_does_not_expire_in_time_is_executed(source: Source) -> None:
    calls = source.calls(4)
    ways = [
        submit_circuit.apply_async(calls[0], expires=WITHIN, priority=3),
        submit_circuit.apply_async(calls[1], expires=soon(WITHIN), link=plain.give.s()),
        app.send_task(NAME, calls[2], expires=soon(WITHIN), priority=9),
        submit_circuit.signature(calls[3], expires=WITHIN).delay(),
    ]
    assert [result.get(timeout=WITHIN)["shots"] for result in ways] == [shots for _, shots in calls]


def test_expires_and_priority_alone_send_no_message(published: Published) -> None:
    submit_circuit.apply_async(fresh(), expires=WITHIN, priority=5, headers={"a": 1}, serializer="json").get(
        timeout=WITHIN
    )
    assert not published


# -- ignore_result ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        lambda call: submit_circuit.apply_async(call, ignore_result=True),
        lambda call: submit_circuit.si(*call).set(ignore_result=True).delay(),
        lambda call: app.send_task(NAME, call, ignore_result=True),
        lambda call: submit_circuit.apply_async(call, ignore_result=True, countdown=0.01),
    ],
    ids=["direct", "signature", "message", "countdown"],
)
def test_a_job_that_ignores_its_result_is_executed_and_leaves_no_entry(
    redis: Redis, bought: Bought, start: Callable[[Call], AsyncResult]
) -> None:
    call = fresh()
    result = start(call)
    assert result.get() is None
    wait_until(lambda: bought()["circuits_accepted"] == 1, what="its execution")
    again = submit_circuit.delay(*call).get(timeout=WITHIN)
    assert again["source"] in {"joined", "cached"}
    assert not redis.exists(f"celery-task-meta-{result.id}")
    ignored = start(call)
    assert ignored.get() is None
    assert submit_circuit.delay(*call).get(timeout=WITHIN)["source"] == "cached"
    assert not redis.exists(f"celery-task-meta-{ignored.id}")
    assert bought()["circuits_accepted"] == 1


def test_what_follows_a_job_that_ignores_its_result_gets_it_all_the_same(source: Source, redis: Redis) -> None:
    one, other = source.calls(2)
    chained = chain(submit_circuit.si(*one).set(ignore_result=True), plain.shots.s())()
    in_chord = chord([submit_circuit.si(*other).set(ignore_result=True)], plain.shots.s())()
    assert chained.get(timeout=WITHIN) == one[1]
    assert in_chord.get(timeout=WITHIN) == other[1]
    assert not redis.exists(f"celery-task-meta-{chained.parent.id}")


# -- task_id ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["directly", "as a message"])
def test_the_same_id_for_the_same_circuit_is_the_same_job(hold: Hold, bought: Bought, way: str) -> None:
    call = hold.call()
    job_id = f"mine-{call[1]}"

    def start() -> AsyncResult:
        if way == "directly":
            return submit_circuit.apply_async(call, task_id=job_id)
        return app.send_task(NAME, call, task_id=job_id)

    first, second = start(), start()
    assert first.id == second.id == job_id
    hold.wait_for(call, 1)
    hold.let_go()
    assert first.get(timeout=WITHIN) == second.get(timeout=WITHIN)
    assert bought()["circuits_accepted"] == 1


def test_an_id_that_waits_for_another_circuit_is_refused(hold: Hold) -> None:
    call, other = hold.call(), fresh()
    first = submit_circuit.apply_async(call, task_id=f"mine-{call[1]}")
    with pytest.raises(errors.JobIdTakenError):
        submit_circuit.apply_async(other, task_id=first.id)
    dropped = app.send_task(NAME, other, task_id=first.id)
    after = app.send_task(NAME, other)  # read later than that
    after.get(timeout=WITHIN)
    hold.let_go()
    assert dropped.get(timeout=WITHIN)["shots"] == call[1]


# -- ways and words -----------------------------------------------------------------------------------------


def test_a_job_for_a_queue_waits_there_for_a_worker_that_reads_it(
    source: Source, redis: Redis, published: Published
) -> None:
    app.control.add_consumer("elsewhere", reply=True, limit=1)  # makes it known to Redis
    app.control.cancel_consumer("elsewhere", reply=True, limit=1)
    ways = [
        {"queue": "elsewhere"},
        {"exchange": "elsewhere", "routing_key": "elsewhere"},
        {"queue": "elsewhere", "routing_key": "elsewhere"},
    ]
    calls = source.calls(len(ways))
    results = [submit_circuit.apply_async(call, **way) for call, way in zip(calls, ways, strict=True)]
    assert len(published) == len(ways)
    assert redis.llen("elsewhere") == len(ways)
    assert {result.state for result in results} == {"QUEUED"}
    app.control.add_consumer("elsewhere", reply=True, limit=1)
    try:
        answers = [result.get(timeout=WITHIN) for result in results]
    finally:
        app.control.cancel_consumer("elsewhere", reply=True, limit=1)
    assert [(answer["source"], answer["shots"]) for answer in answers] == [(source.name, shots) for _, shots in calls]


def test_a_message_carries_what_celery_puts_into_one(published: Published) -> None:
    result = submit_circuit.apply_async(
        fresh(), countdown=0.01, headers={"tenant": "a"}, shadow="mine", argsrepr="a bell", priority=4
    )
    text, shots = fresh()
    told = submit_circuit.apply_async((decode(text), np.int64(shots)), countdown=0.01)
    first, second = published
    headers: Any = first["headers"]
    assert headers["tenant"] == "a"
    assert (headers["shadow"], headers["argsrepr"], headers["id"]) == ("mine", "a bell", result.id)
    assert first["properties"]["priority"] == 4
    assert " 1 qubit " in second["headers"]["argsrepr"]
    assert "OPENQASM" not in str(second["headers"])
    result.get(timeout=WITHIN)
    assert told.get(timeout=WITHIN)["shots"] == shots


def test_the_default_priority_is_that_of_messages_too(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_default_priority", 4)
    result = submit_circuit.apply_async(fresh(), countdown=0.01)
    assert published[0]["properties"]["priority"] == 4
    result.get(timeout=WITHIN)


def test_options_of_celery_that_mean_nothing_here_are_taken(source: Source) -> None:
    call = source.call()
    answer = submit_circuit.apply_async(
        call,
        time_limit=1,
        soft_time_limit=1,
        retry=True,
        retry_policy={"max_retries": 1},
        compression="zlib",
        delivery_mode=1,
        reply_to="nobody",
        of_tomorrow=True,
    ).get(timeout=WITHIN)
    assert (answer["source"], answer["shots"]) == (source.name, call[1])
