"""What Flower is told of jobs no message stands for: sent by Celery's dispatcher, read by Celery's own picture."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery, states
from celery.events.state import State

from qstore.errors import IonQUnavailableError, JobFailedError, JobRevokedError
from qstore.job import TASK, Job, Readout
from workers.announce import Announcer, Ended

ASKED, SENT, DONE = 1000.0, 1002.5, 1009.0  # epoch seconds
COUNTS = {"result": "11: 493, 00: 507", "received": ASKED, "started": SENT, "runtime": DONE - SENT}


class Flower:
    """Hears events over a broker in memory, as Flower does."""

    def __init__(self) -> None:
        self.state = State()
        self.messages: list[list[dict[str, Any]]] = []
        self.app = Celery(broker="memory://", set_as_current=False)
        # what is in memory is shared by all tests
        self.app.conf.update(worker_send_task_events=True, event_exchange=secrets.token_hex(4))
        receiver = self.app.events.Receiver(self.app.connection_for_read(), handlers={"*": self.state.event})
        receive = receiver._receive

        def heard(body: Any, message: Any) -> None:
            self.messages.append(body if isinstance(body, list) else [body])
            receive(body, message)

        receiver._receive = heard
        self._listening = receiver.consumer_context()
        self._connection = self._listening.__enter__()[0]

    def listen(self) -> None:
        """Hear all that was sent."""
        while True:
            try:
                self._connection.drain_events(timeout=0.05)
            except TimeoutError:
                return

    def task(self, job: Job) -> Any:
        """What it knows of a job."""
        self.listen()
        return self.state.tasks[job.job_id]

    def kinds(self) -> list[list[str]]:
        """The kinds of events in each message."""
        self.listen()
        return [[event["type"] for event in message] for message in self.messages]

    def close(self) -> None:
        self._listening.__exit__(None, None, None)


@pytest.fixture
def flower() -> Iterator[Flower]:
    made = Flower()
    yield made
    made.close()


@pytest.fixture
def announcer(flower: Flower) -> Iterator[Announcer]:
    made = Announcer(flower.app, "worker1@here")
    yield made
    made.close()


def job(number: int = 0, **fields: Any) -> Job:
    names = {"root_id": f"root {number}", "parent_id": f"parent {number}", **fields}
    return Job(
        f"job {number}", "bell", f"bell {number}", Readout((0,), ((0,),)), memory=False, submitted_at=ASKED, **names
    )


def test_a_waiting_job_is_received_when_it_was_asked(flower: Flower, announcer: Announcer) -> None:
    announcer.received([job()])
    task = flower.task(job())
    assert (task.state, task.name, task.args, task.kwargs) == ("RECEIVED", TASK, "bell 0", "{}")
    assert (task.timestamp, task.received) == (ASKED, ASKED)
    assert (task.root_id, task.parent_id) == ("root 0", "parent 0")
    assert task.worker.hostname == "worker1@here"


def test_a_job_that_came_as_a_message_stays_received_and_shows_a_line_for_its_program(
    flower: Flower, announcer: Announcer
) -> None:
    celery_s = flower.app.events.Dispatcher(flower.app.connection_for_write(), hostname="worker1@here", enabled=True)
    celery_s.send("task-received", uuid=job().job_id, name=TASK, args="OPENQASM 3.0; …", kwargs="{}")
    announcer.received([job(delivered=True)])
    task = flower.task(job())
    assert (task.state, task.args) == ("RECEIVED", "bell 0")
    assert flower.kinds()[0] == ["task-received"]
    assert "task-received" not in flower.kinds()[1]
    celery_s.close()
    celery_s.connection.release()


def test_a_job_is_called_what_its_caller_calls_it(flower: Flower, announcer: Announcer) -> None:
    announcer.received([job(task="my nightly run")])
    assert flower.task(job()).name == "my nightly run"


def test_a_job_goes_from_received_over_submitted_to_started_and_to_its_end(
    flower: Flower, announcer: Announcer
) -> None:
    seen = []
    for told in (announcer.received, announcer.submitted, announcer.started):
        told([job()])
        seen.append(flower.task(job()).state)
    announcer.ended([Ended(job(), COUNTS, DONE)])
    task = flower.task(job())
    assert seen == ["RECEIVED", "SUBMITTED", states.STARTED]
    assert (task.state, task.result, task.runtime) == (states.SUCCESS, COUNTS["result"], 6.5)
    assert (task.received, task.started, task.succeeded) == (ASKED, SENT, DONE)


def test_a_job_that_is_offered_again_says_why_and_how_often(flower: Flower, announcer: Announcer) -> None:
    announcer.received([job()])
    announcer.retried([job()], IonQUnavailableError("away"), 2)
    task = flower.task(job())
    assert (task.state, task.retries) == (states.RETRY, 2)
    assert "away" in task.exception
    announcer.submitted([job()])
    assert flower.task(job()).state == "SUBMITTED"


def test_a_failed_job_says_why(flower: Flower, announcer: Announcer) -> None:
    announcer.submitted([job()])
    announcer.ended([Ended(job(), JobFailedError("too deep"), DONE)])
    task = flower.task(job())
    assert (task.state, task.exception) == (states.FAILURE, "JobFailedError('too deep')")
    assert (task.received, task.failed) == (ASKED, DONE)


@pytest.mark.parametrize(("reason", "expired"), [("revoked", False), ("expired", True)])
def test_a_canceled_job_is_revoked_and_no_failure(
    flower: Flower, announcer: Announcer, reason: str, expired: bool
) -> None:
    announcer.submitted([job()])
    announcer.ended([Ended(job(), JobRevokedError(reason), DONE, known=True)])
    task = flower.task(job())
    assert (task.state, task.revoked, task.received) == (states.REVOKED, DONE, ASKED)
    (event,) = flower.messages[-1]
    assert (event["expired"], event["terminated"]) == (expired, False)


@pytest.mark.parametrize("end", [COUNTS, JobFailedError("no"), JobRevokedError()])
def test_who_missed_all_but_the_end_knows_the_job_all_the_same(flower: Flower, announcer: Announcer, end: Any) -> None:
    announcer.ended([Ended(job(), end, DONE)])
    task = flower.task(job())
    assert (task.name, task.args, task.root_id, task.parent_id) == (TASK, "bell 0", "root 0", "parent 0")
    assert (task.received, task.worker.hostname) == (ASKED, "worker1@here")


def test_who_never_heard_of_a_start_hears_of_it_before_the_end(flower: Flower, announcer: Announcer) -> None:
    announcer.received([job()])
    announcer.ended([Ended(job(), JobFailedError("no"), DONE, known=True, started=SENT)])
    task = flower.task(job())
    assert (task.state, task.started) == (states.FAILURE, SENT)
    assert flower.kinds()[-1] == ["task-started", "task-failed"]


def test_what_comes_late_takes_no_end_back(flower: Flower, announcer: Announcer) -> None:
    announcer.ended([Ended(job(), COUNTS, DONE)])
    announcer.received([job()])
    assert flower.task(job()).state == states.SUCCESS


def test_many_jobs_are_told_of_in_one_message(flower: Flower, announcer: Announcer) -> None:
    jobs = [job(number) for number in range(500)]
    announcer.submitted(jobs)
    assert flower.kinds() == [["task-submitted"] * 500]
    announcer.ended([Ended(each, COUNTS, DONE) for each in jobs])
    assert len(flower.kinds()) == 2
    assert {task.state for task in flower.state.tasks.values()} == {states.SUCCESS}
    assert len(flower.state.tasks) == 500


def test_of_nothing_nothing_is_told(flower: Flower, announcer: Announcer) -> None:
    announcer.received([])
    announcer.submitted([])
    announcer.ended([])
    assert flower.kinds() == []


def test_without_task_events_nobody_is_told(flower: Flower) -> None:
    flower.app.conf.worker_send_task_events = False
    silent = Announcer(flower.app, "worker1@here")
    silent.received([job()])
    silent.close()
    assert flower.kinds() == []


def test_what_threads_tell_at_once_is_told_once_and_whole(flower: Flower, announcer: Announcer) -> None:
    def tell(number: int) -> None:
        announcer.submitted([job(100 * number + each) for each in range(100)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(40)))
    flower.listen()
    told = sorted(event["uuid"] for message in flower.messages for event in message)
    assert told == sorted(f"job {number}" for number in range(4000))


def test_an_announcer_that_never_spoke_closes_all_the_same(flower: Flower) -> None:
    Announcer(flower.app, "worker1@here").close()
