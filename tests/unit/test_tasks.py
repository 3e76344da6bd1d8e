"""The door, before a pipeline that only listens: what reaches it of a call and of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Signature
from celery.exceptions import Ignore
from celery.signals import task_revoked

from qstore import tasks
from qstore.answer import to_answer
from qstore.app import app
from qstore.errors import InvalidResultError, JobRevokedError
from qstore.job import Options
from qstore.preparation import Caller
from qstore.submission import Submitted
from qstore.tasks import WAKE, submit_circuit

RESULT: Any = {"counts": {"0": 10}, "shots": 10}


@dataclass
class Pipeline:
    """Takes every job in, and answers as the test says.

    Attributes:
        callers: Who asked.
        answer: What the cache knows.
        woken: The answer of a job that is delivered again.
    """

    callers: list[Caller] = field(default_factory=list)
    answer: Any = None
    left: bytes | None = None

    def prepare(self, caller: Caller, circuit: object, options: Options) -> Any:  # noqa: ARG002 - as the real one
        self.callers.append(caller)
        return SimpleNamespace(ask=SimpleNamespace(job=SimpleNamespace(summary="a bell")))

    def submit(self, jobs: list[Any]) -> list[Submitted]:
        return [Submitted(self.callers[-1].job_id, result=self.answer) for _ in jobs]

    def woken(self, job_id: str) -> bytes | None:  # noqa: ARG002 - as the real one
        return self.left


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    listening = Pipeline()
    monkeypatch.setattr(
        tasks, "door", lambda: SimpleNamespace(preparation=listening, submission=listening, claims=listening)
    )
    return listening


def test_a_call_s_options_reach_the_pipeline(pipeline: Pipeline) -> None:
    at = datetime(2100, 1, 1, tzinfo=UTC)
    signature = submit_circuit.signature(("circuit",), {"shots": 10}, {"priority": 3, "expires": at})
    signature.stamp(tenant="a")
    result = signature.set(shadow="mine", argsrepr="a bell", ignore_result=True).apply_async(task_id="an id")
    (caller,) = pipeline.callers
    assert caller == Caller(
        "an id",
        priority=3,
        expires=at.timestamp(),
        ignore_result=True,
        stamps={"tenant": "a"},
        shadow="mine",
        argsrepr="a bell",
    )
    assert result.ignored
    assert result.get() is None


def test_what_the_cache_knew_is_in_the_result_at_once(pipeline: Pipeline) -> None:
    pipeline.answer = RESULT
    assert submit_circuit.delay("circuit").get() == RESULT
    ignored = submit_circuit.apply_async(("circuit",), ignore_result=True)
    assert ignored.get() is None


@pytest.fixture
def delivered() -> Iterator[Callable[..., None]]:
    """Puts a message before the task, as a worker does."""
    pushed = []

    def deliver(**request: Any) -> None:
        pushed.append(request)
        submit_circuit.push_request(
            called_directly=False, **{"id": "an id", "args": ["circuit"], "kwargs": {}, **request}
        )

    yield deliver
    for _ in pushed:
        submit_circuit.pop_request()


def test_a_message_s_options_reach_the_pipeline(pipeline: Pipeline, delivered: Callable[..., None]) -> None:
    delivered(
        root_id="root",
        parent_id="parent",
        expires="2100-01-01T00:00:00",
        delivery_info={"priority": 6, "exchange": "", "routing_key": "celery"},
        ignore_result=True,
        stamped_headers=["tenant"],
        stamps={"tenant": "a", "other": "b"},
        shadow="mine",
    )
    with pytest.raises(Ignore):
        submit_circuit.run("circuit", shots=10)
    assert pipeline.callers == [
        Caller(
            "an id",
            delivered=True,
            root_id="root",
            parent_id="parent",
            priority=6,
            expires=datetime(2100, 1, 1, tzinfo=UTC).timestamp(),
            ignore_result=True,
            stamps={"tenant": "a"},
            shadow="mine",
        )
    ]


def test_a_message_that_something_waits_for_is_published_again_as_it_was(
    pipeline: Pipeline, delivered: Callable[..., None]
) -> None:
    delivered(
        callbacks=[app.signature("plain", args=(1,))],
        expires="2100-01-01T00:00:00",
        delivery_info={"priority": 6, "exchange": "", "routing_key": "elsewhere"},
        headers={"x-tenant": "a"},
        ignore_result=True,
        shadow="mine",
        stamped_headers=["tenant"],
        stamps={"tenant": "a"},
        root_id="root",
        group="group",
        group_index=2,
    )
    with pytest.raises(Ignore):
        submit_circuit.run("circuit")
    (caller,) = pipeline.callers
    again = Signature.from_dict(caller.wake, app=app)
    assert (again.task, again.args, again.kwargs) == ("qstore.submit_circuit", ("circuit",), {})
    options = again.options
    assert options["headers"] == {"x-tenant": "a", WAKE: True}
    assert options["expires"] is None  # counts are not dropped for coming late
    assert (options["queue"], options["priority"], options["ignore_result"]) == ("elsewhere", 6, True)
    assert (options["task_id"], options["root_id"], options["shadow"]) == ("an id", "root", "mine")
    assert (options["group_id"], options["group_index"], options["tenant"]) == ("group", 2, "a")
    assert len(options["link"]) == 1


def test_a_message_that_is_delivered_again_returns_or_raises_its_answer(
    pipeline: Pipeline, delivered: Callable[..., None]
) -> None:
    delivered(**{WAKE: True})
    pipeline.left = to_answer(RESULT).encode()
    assert submit_circuit.run() == RESULT
    pipeline.left = to_answer(InvalidResultError("no distribution")).encode()
    with pytest.raises(InvalidResultError, match="no distribution"):
        submit_circuit.run()
    assert not pipeline.callers


@pytest.mark.parametrize("reason", ["revoked", "expired"])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_job_revoked_while_it_waited_ends_as_celery_ends_revoked_tasks(
    pipeline: Pipeline,
    delivered: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    ignored: bool,
) -> None:
    marked, sent, signaled = [], [], []
    backend = SimpleNamespace(mark_as_revoked=lambda *given, **more: marked.append((given, more["store_result"])))
    monkeypatch.setattr(type(submit_circuit), "backend", backend)
    monkeypatch.setattr(submit_circuit, "send_event", lambda kind, **more: sent.append((kind, more)), raising=False)

    def hear(expired: bool, **_: object) -> None:
        signaled.append(expired)

    pipeline.left = to_answer(JobRevokedError(reason)).encode()
    delivered(**{WAKE: True}, ignore_result=ignored)
    task_revoked.connect(hear)
    try:
        with pytest.raises(Ignore):
            submit_circuit.run()
    finally:
        task_revoked.disconnect(hear)
    expired = reason == "expired"
    assert marked == [(("an id", reason), not ignored)]
    assert sent == [("task-revoked", {"state": "REVOKED", "terminated": False, "signum": None, "expired": expired})]
    assert signaled == [expired]
