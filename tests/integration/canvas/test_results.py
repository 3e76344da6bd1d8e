"""What Celery's results tell of a job, and of jobs submitted from inside other tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import chain, group
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import AsyncResult, GroupResult, ResultSet
from redis import Redis

from conditions import wait_until
from integration.canvas import plain
from integration.canvas.hold import Call, Hold, fresh
from integration.canvas.sources import WITHIN, Source
from qstore import errors, submit_circuit
from qstore.app import app

NAME = "qstore.submit_circuit"


def test_a_result_that_is_there(source: Source) -> None:
    call = source.call()
    result = submit_circuit.delay(*call)
    answer = result.get(timeout=WITHIN)
    for seen in (result, AsyncResult(result.id, app=app)):
        assert seen.state == "SUCCESS"
        assert seen.ready()
        assert seen.successful()
        assert not seen.failed()
        assert seen.info == seen.result == answer
        assert seen.get(propagate=False) == answer
        assert seen.traceback is None
        assert seen.parent is None
        assert not seen.children
    assert result.as_tuple() == ((result.id, None), None)
    assert [value for _, value in AsyncResult(result.id, app=app).collect()] == [answer]


@pytest.mark.parametrize("way", ["directly", "as a message"])
def test_a_result_that_is_waited_for(hold: Hold, way: str) -> None:
    call = hold.call()
    result = submit_circuit.delay(*call) if way == "directly" else app.send_task(NAME, call)
    hold.wait_for(call, 1)
    with pytest.raises(CeleryTimeoutError):
        result.get(timeout=0)
    assert result.state == "QUEUED"
    assert result.info == {"position": 0}
    assert not result.ready()
    assert not result.successful()
    assert not result.failed()
    hold.let_go()
    assert result.get(timeout=WITHIN)["shots"] == call[1]


def test_reading_a_message_is_no_start_of_its_job(redis: Redis) -> None:
    _, shots = call = fresh()
    job_id = f"watched-{shots}"
    told: list[dict[str, Any]] = []
    with redis.pubsub(ignore_subscribe_messages=True) as entries:  # type: ignore[no-untyped-call]  # redis-py's own lack
        entries.subscribe(f"celery-task-meta-{job_id}")

        def ended() -> bool:
            message = entries.get_message(timeout=0.1)
            told.extend([json.loads(message["data"])] if message else [])
            return bool(told) and told[-1]["status"] == "SUCCESS"

        submit_circuit.apply_async(call, task_id=job_id, link=plain.give.s())
        wait_until(ended, what="its end")
    assert not [each for each in told if each["status"] == "STARTED" and "pid" in each["result"]]


@pytest.mark.usefixtures("fault")
@pytest.mark.parametrize("way", ["directly", "as a message"])
def test_a_result_that_is_a_failure(way: str) -> None:
    call = fresh()
    result = submit_circuit.delay(*call) if way == "directly" else app.send_task(NAME, call)
    error = result.get(timeout=WITHIN, propagate=False)
    assert isinstance(error, errors.IonQJobFailedError)
    assert error.code == "SimulationError"
    with pytest.raises(errors.IonQJobFailedError):
        result.get()
    assert result.failed()
    assert result.ready()
    assert not result.successful()
    assert isinstance(result.info, errors.IonQJobFailedError)
    assert result.traceback is None  # it failed at IonQ, in no code of ours
    assert AsyncResult(result.id, app=app).state == "FAILURE"


def test_a_failure_of_the_caller_s_has_a_traceback_where_celery_has_one() -> None:
    result = app.send_task(NAME, ["garbage"])
    with pytest.raises(errors.InvalidOpenQASMError):
        result.get(timeout=WITHIN)
    assert "InvalidOpenQASMError" in result.traceback


def test_a_forgotten_result_is_unknown(source: Source, redis: Redis) -> None:
    result = submit_circuit.delay(*source.call())
    result.get(timeout=WITHIN)
    result.forget()
    assert not redis.exists(f"celery-task-meta-{result.id}")
    assert AsyncResult(result.id, app=app).state == "PENDING"


def test_results_of_a_group_are_saved_and_restored(source: Source) -> None:
    calls = source.calls(3)
    result: GroupResult = group(submit_circuit.si(*call) for call in calls)()
    result.save()
    restored = GroupResult.restore(result.id, app=app)
    assert [answer["shots"] for answer in restored.get(timeout=WITHIN)] == [shots for _, shots in calls]
    assert restored.successful()
    assert restored.completed_count() == 3
    restored.delete()
    assert GroupResult.restore(result.id, app=app) is None


def test_a_set_of_results_gives_each_as_it_comes(source: Source) -> None:
    calls = source.calls(3)
    results = ResultSet([submit_circuit.delay(*call) for call in calls], app=app)
    came = {job_id: meta["result"]["shots"] for job_id, meta in results.iter_native(timeout=WITHIN)}
    assert came == {result.id: shots for result, (_, shots) in zip(results.results, calls, strict=True)}


def test_parents_lead_back_to_the_first_of_a_chain(source: Source) -> None:
    calls = source.calls(3)
    result = chain(submit_circuit.si(*call) for call in calls)()
    result.get(timeout=WITHIN)
    line = [result, result.parent, result.parent.parent]
    assert result.parent.parent.parent is None
    assert [each.get()["shots"] for each in line] == [shots for _, shots in reversed(calls)]
    metas = [each._get_task_meta() for each in line]
    assert [meta.get("parent_id") for meta in metas] == [line[1].id, line[2].id, None]
    assert [child.id for child in line[2].children] == [line[1].id]


def test_a_link_is_a_child(source: Source) -> None:
    call = source.call()
    result = submit_circuit.apply_async(call, link=[plain.shots.s(), plain.give.s(7).set(immutable=True)])
    assert result.get(timeout=WITHIN)["shots"] == call[1]
    (both,) = result.children
    assert sorted(both.get(timeout=WITHIN)) == [7, call[1]]


def from_inside(call: Call, options: dict[str, object] | None = None) -> tuple[AsyncResult, AsyncResult, str]:
    """Submit from inside a plain task, itself second in a chain: that task, the job, and the root of all."""
    chained = plain.give.si("first") | plain.call.si(call, options or {})
    outer = chained()
    job_id, own_id, root_id = outer.get(timeout=WITHIN)
    assert own_id == outer.id
    return outer, AsyncResult(job_id, app=app), root_id


def test_a_job_from_inside_a_task_is_its_child(source: Source) -> None:
    call = source.call()
    outer, job, root_id = from_inside(call)
    assert root_id == outer.parent.id
    assert [child.id for child in outer.children] == [job.id]
    assert job.get(timeout=WITHIN)["shots"] == call[1]
    assert job._get_task_meta()["parent_id"] == outer.id


def test_a_job_that_is_not_to_be_a_child_is_none(source: Source) -> None:
    outer, job, _ = from_inside(source.call(), {"add_to_parent": False})
    assert not outer.children
    assert job.get(timeout=WITHIN)


def test_a_message_from_inside_a_task_is_its_child_too(source: Source) -> None:
    outer, job, _ = from_inside(source.call(), {"countdown": 0.01})
    assert [child.id for child in outer.children] == [job.id]
    assert job.get(timeout=WITHIN)
