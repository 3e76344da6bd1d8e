"""What Celery's own worker tells of jobs that came as messages, as Celery's own picture of the cluster takes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task, states
from celery.app.trace import build_tracer, trace_task_ret
from celery.concurrency.thread import TaskPool
from celery.contrib.testing.mocks import TaskMessage
from celery.events import Event
from celery.events.state import State
from celery.exceptions import Ignore
from celery.utils.imports import symbol_by_name
from celery.worker.request import create_request_cls

from qstore.errors import NoMeasurementError
from qstore.result import Cost, Result, Source, Times
from workers.request import Answers, tell_of_jobs
from workers.shown import shown

ASKED, SENT, DONE = 1000.0, 1002.5, 1009.0  # epoch seconds


def result(source: Source = "executed", done: float = DONE) -> Result:
    return Result(
        counts={"00": 507, "11": 493},
        probabilities=None,
        memory=None,
        shots=1000,
        backend="simulator",
        name="bell",
        fingerprint="f" * 64,
        source=source,
        executed_at=done,
        age=0.0,
        parts=None,
        remote_id="remote",
        seed=1,
        times=Times(asked=ASKED, sent=SENT, done=done),
        cost=Cost(quantum_seconds=None, usd=0.0),
    )


class Flower:
    """The worker's dispatcher of events and Celery's picture of the cluster in one."""

    enabled = True

    def __init__(self) -> None:
        self.state = State()
        self.kinds: list[str] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.kinds.append(kind)
        now = time.time()
        self.state.event(Event(kind, hostname="worker1@here", local_received=now, clock=len(self.kinds), **fields))


class Worker:
    """As much of a worker as takes a message, runs its task in a thread and tells of it."""

    def __init__(self, body: Callable[[], Any]) -> None:
        self.flower = Flower()
        self._app = Celery(broker="memory://", backend="cache+memory://", set_as_current=False)

        def run() -> Any:
            return body()

        self.task: Task = self._app.task(name="circuit", acks_late=True, shared=False)(run)
        self._app.task(name="other", acks_late=True, shared=False)(run)
        tell_of_jobs(self.task)
        self._pool = TaskPool(limit=1, app=self._app)

    def deliver(self, name: str, job_id: str) -> Any:
        """Returns what Flower knows of the job when all is over."""
        task = self._app.tasks[name]
        task.__trace__ = build_tracer(name, task, app=self._app)
        trace = partial(trace_task_ret, app=self._app)
        base = symbol_by_name(task.Request)
        kind = create_request_cls(base, task, self._pool, "worker1@here", self.flower, trace=trace)
        message = TaskMessage(name, job_id)
        message.delivery_info, message.properties = {}, {}
        request = kind(message, hostname="worker1@here", eventer=self.flower, app=self._app, task=task)
        self.flower.send("task-received", uuid=job_id, name=name, args="bell")
        request.execute_using_pool(self._pool).get()
        return self.flower.state.tasks[job_id]

    def close(self) -> None:
        self._pool.stop()
        self._app.close()


@pytest.fixture
def working() -> Iterator[Callable[[Callable[[], Any]], Worker]]:
    opened: list[Worker] = []

    def work(body: Callable[[], Any]) -> Worker:
        opened.append(Worker(body))
        return opened[-1]

    yield work
    for worker in opened:
        worker.close()


Working = Callable[[Callable[[], Any]], Worker]


@pytest.mark.parametrize("source", ["executed", "joined"])
def test_a_job_that_was_executed_shows_its_execution_and_not_its_delivery(working: Working, source: Source) -> None:
    seen = working(lambda: result(source)).deliver("circuit", "1")

    assert seen.state == states.SUCCESS
    assert seen.result == f"{source} · 00: 507, 11: 493"
    assert (seen.received, seen.started, seen.runtime) == (ASKED, SENT, DONE - SENT)
    assert seen.worker.hostname == "worker1@here"


def test_a_job_that_the_cache_answered_took_no_time(working: Working) -> None:
    seen = working(lambda: result("cached")).deliver("circuit", "1")

    assert seen.state == states.SUCCESS
    assert seen.result == "cached · 00: 507, 11: 493"
    assert (seen.received, seen.started, seen.runtime) == (ASKED, ASKED, 0.0)


def test_clocks_that_disagree_give_no_time_less_than_none() -> None:
    assert shown(result(done=SENT - 1))["runtime"] == 0.0


def test_a_job_that_only_takes_its_place_in_the_queue_has_not_started(working: Working) -> None:
    def wait() -> None:
        raise Ignore

    worker = working(wait)
    seen = worker.deliver("circuit", "1")

    assert seen.state == states.RECEIVED
    assert seen.started is None
    assert worker.flower.kinds == ["task-received"]


def test_a_job_that_fails_at_the_door_fails_with_its_error(working: Working) -> None:
    def refuse() -> None:
        raise NoMeasurementError("It measures nothing.")

    worker = working(refuse)
    seen = worker.deliver("circuit", "1")

    assert seen.state == states.FAILURE
    assert seen.exception == "NoMeasurementError('It measures nothing.')"
    # Flower counts tasks that wait: up when one is received, down when it starts
    assert worker.flower.kinds == ["task-received", "task-started", "task-failed"]


def test_other_tasks_are_told_of_as_celery_does(working: Working) -> None:
    worker = working(result)
    before = time.time()
    seen = worker.deliver("other", "1")

    assert worker.flower.kinds == ["task-received", "task-started", "task-succeeded"]
    assert seen.result.startswith("{'counts'")
    assert seen.started >= before


def test_an_answer_is_handed_over_once_and_to_its_own_job_only() -> None:
    answers = Answers()
    answers.keep(task_id="1", retval=result(), state=states.SUCCESS)

    assert answers.take("2") is None
    assert answers.take("1") is None

    answers.keep(task_id="3", retval=result(), state=states.SUCCESS)

    assert answers.take("3") == result()
    assert answers.take("3") is None


def test_what_is_no_success_is_no_answer_and_lets_the_one_before_go() -> None:
    answers = Answers()
    answers.keep(task_id="1", retval=result(), state=states.SUCCESS)
    answers.keep(task_id="1", retval=ValueError(), state=states.FAILURE)

    assert answers.take("1") is None


def test_threads_do_not_see_each_others_answers() -> None:
    answers = Answers()
    seen: list[Result | None] = []
    thread = threading.Thread(target=lambda: seen.append(answers.take("1")))
    answers.keep(task_id="1", retval=result(), state=states.SUCCESS)
    thread.start()
    thread.join()

    assert seen == [None]
    assert answers.take("1") == result()


def test_an_answer_that_is_not_at_hand_leaves_celerys_event_as_it_is(working: Working) -> None:
    worker = working(result)
    worker.task.Request.answers = Answers()  # as where tasks run in another process than the one that tells of them

    seen = worker.deliver("circuit", "1")

    assert seen.state == states.SUCCESS
    assert seen.result.startswith("{'counts'")
