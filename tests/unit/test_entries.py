"""Entries read, by the result backend itself, as if Celery had written them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from qstore.app import app
from qstore.entries import QUEUED, SUBMITTED, Entries, Finish
from qstore.errors import IonQUnavailableError, JobFailedError, JobRevokedError
from qstore.job import Job, Readout
from qstore.result import Result
from qstore.state.connection import Argument, Connection
from qstore.state.keys import Keys

KEYS = Keys("test:")
ODD = 'a "job" \\ with {braces}, ünïcode and "task_id": "x"}'
RESULT = cast("Result", {"counts": {"0": 1}, "note": ODD})


class Recorder(Connection):
    """Takes scripts and runs none."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Sequence[str], Sequence[Argument]]] = []

    def call(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        self.calls.append((script, keys, args))
        return [0, 1, 0]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def entries(recorder: Recorder) -> Entries:
    return Entries(app, recorder, KEYS)


def job(job_id: str, **fields: Any) -> Job:
    return Job(job_id, "bell", "bell", Readout((0,), ((0,),)), memory=False, submitted_at=1.0, **fields)


def read(text: Any) -> dict[str, Any]:
    """What a client of the result backend makes of an entry."""
    meta: dict[str, Any] = app.backend.meta_from_decoded(app.backend.decode(text))
    return meta


def written_by_celery(state: str, result: Any) -> set[str]:
    """The fields of an entry that Celery itself writes."""
    meta: dict[str, Any] = json.loads(app.backend.encode(app.backend._get_result_meta(result, state, None, None)))
    return {*meta, "task_id"}


@pytest.mark.parametrize("job_id", ["a-job", ODD])
def test_a_queued_job_s_entry_has_the_fields_of_any_and_says_its_position(entries: Entries, job_id: str) -> None:
    entry = entries.queued(job_id)
    assert entry.key.encode() == app.backend.get_key_for_task(job_id)
    said = read(entry.value)
    assert (said["status"], said["result"], said["task_id"]) == (QUEUED, {"position": 0}, job_id)
    assert said.keys() == written_by_celery(QUEUED, {})
    # as a script puts it together
    assert read(f"{entry.head}17{entry.middle}{entry.tail}")["result"] == {"position": 17}
    assert entry.expires == int(app.conf.result_expires)


def test_a_job_that_ignores_its_result_is_written_nowhere(entries: Entries, recorder: Recorder) -> None:
    assert entries.queued("j", ignored=True).expires == 0
    entries.write_queued(entries.queued("j", ignored=True))
    assert entries.tellings([job("j", ignore_result=True)], "says") == []
    entries.tell([job("j", ignore_result=True)], "says")
    assert recorder.calls == []
    entries.finish([Finish("j", RESULT, ignored=True)])
    ((_, _, args),) = recorder.calls
    assert list(args)[3:] == ["j", ""]


@pytest.mark.parametrize("job_id", ["a-job", ODD])
@pytest.mark.parametrize(("running", "state"), [(False, SUBMITTED), (True, states.STARTED)])
def test_what_is_said_of_all_jobs_is_completed_by_the_id_of_each(
    entries: Entries, job_id: str, running: bool, state: str
) -> None:
    says = entries.submitted("batch", "remote", 12.5, 3.25, running=running)
    (telling,) = entries.tellings([job(job_id)], says)
    assert telling.job == KEYS.job(job_id)
    assert telling.key == entries.key(job_id)
    said = read(telling.value)
    assert (said["status"], said["task_id"]) == (state, job_id)
    assert said["result"] == {
        "batch": "batch",
        "remote_id": "remote",
        "submitted_at": 12.5,
        "predicted_seconds": 3.25,
    }


def test_where_ionq_predicts_nothing_nothing_is_predicted(entries: Entries) -> None:
    (telling,) = entries.tellings([job("j")], entries.submitted("b", "r", 1.0, None, running=False))
    assert read(telling.value)["result"]["predicted_seconds"] is None


def test_a_retried_job_says_why_and_how_often(entries: Entries) -> None:
    (telling,) = entries.tellings([job(ODD)], entries.retrying(IonQUnavailableError(ODD), 3))
    said = read(telling.value)
    assert (said["status"], said["task_id"], said["retries"]) == (states.RETRY, ODD, 3)
    assert isinstance(said["result"], IonQUnavailableError)
    assert str(said["result"]) == ODD


def test_a_job_that_went_back_is_queued_before_all_others(entries: Entries) -> None:
    (telling,) = entries.tellings([job("j")], entries.requeued)
    assert telling.value == entries.queued("j").value


@pytest.mark.parametrize("reason", ["revoked", "expired"])
def test_a_revoked_job_s_entry_is_what_celery_s_own_would_be(entries: Entries, recorder: Recorder, reason: str) -> None:
    telling = entries.revoked("j", reason)
    entries.finish([Finish("j", JobRevokedError(reason))])
    ((_, _, args),) = recorder.calls
    for text in (telling.value, list(args)[4]):
        said = read(text)
        assert (said["status"], said["task_id"]) == (states.REVOKED, "j")
        assert isinstance(said["result"], TaskRevokedError)
        assert str(said["result"]) == reason
        assert said.keys() == written_by_celery(states.REVOKED, None)


def test_ends_of_all_kinds_are_written_in_one_trip(entries: Entries, recorder: Recorder) -> None:
    announced = entries.finish(
        [
            Finish("good", RESULT, parent_id="its parent"),
            Finish("bad", JobFailedError("no")),
            Finish("silent", RESULT, ignored=True),
        ],
        ["a hit"],
    )
    assert announced == [False, True, False]
    ((script, keys, args),) = recorder.calls
    assert script == "finish"
    ids = ("good", "bad", "silent")
    assert list(keys) == [
        KEYS.hits,
        KEYS.announced,
        *(key for each in ids for key in (KEYS.job(each), entries.key(each))),
    ]
    _, _, hits, hit, *ends = args
    assert (hits, hit, ends[0::2]) == (1, "a hit", list(ids))
    good, bad, silent = ends[1::2]
    assert silent == ""
    said = read(good)
    assert (said["status"], said["result"], said["parent_id"]) == (states.SUCCESS, RESULT, "its parent")
    said = read(bad)
    assert (said["status"], str(said["result"])) == (states.FAILURE, "no")
    assert isinstance(said["result"], JobFailedError)


@pytest.mark.parametrize(
    ("value", "state"), [(RESULT, "SUCCESS"), (JobFailedError("no"), "FAILURE"), (JobRevokedError(), "REVOKED")]
)
def test_an_end_knows_its_state(value: Any, state: str) -> None:
    assert Finish("j", value).state == state


def test_many_are_told_in_one_trip(entries: Entries, recorder: Recorder) -> None:
    entries.tell([job("a"), job("silent", ignore_result=True), job("b")], entries.requeued)
    ((script, keys, args),) = recorder.calls
    assert script == "tell"
    assert list(keys) == [KEYS.job("a"), entries.key("a"), KEYS.job("b"), entries.key("b")]
    assert [read(text)["task_id"] for text in list(args)[1:]] == ["a", "b"]
