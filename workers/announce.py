"""Tells Flower of jobs that no Celery message stands for, in Celery's own events, many in one message.

Every event carries this replica's real hostname: an invented one would show as a worker that does not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, states
from celery.events import EventDispatcher

from qstore.errors import JobRevokedError
from qstore.job import Job

_UNBOUNDED = 1 << 30  # flushed by hand
_REVOKED = {"terminated": False, "signum": None, "state": states.REVOKED}

_Event = tuple[str, Job, dict[str, Any]]  # its type, whom it is about, its fields


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        job: The job.
        value: What Flower shows of its result, see `workers.shown`; or the exception.
        at: Epoch seconds.
        known: Whether Flower has heard of the job.
        started: Epoch seconds when IonQ took it, where Flower has not heard of that.
    """

    job: Job
    value: Mapping[str, Any] | Exception
    at: float
    known: bool = False
    started: float | None = None


class Announcer:
    """Sends task events.

    Args:
        app: Whose events.
        hostname: This worker's, as Celery names it.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._opening = threading.Lock()
        self._opened: EventDispatcher | None = None

    def _dispatcher(self) -> EventDispatcher:
        """Celery's own dispatcher, opened on first use; any thread may be the first."""
        with self._opening:
            if self._opened is None:
                self._opened = self._app.events.Dispatcher(
                    self._app.connection_for_write(),
                    hostname=self._hostname,
                    enabled=bool(self._app.conf.worker_send_task_events),
                    buffer_group={"task"},
                    buffer_limit=_UNBOUNDED,
                )
            return self._opened

    def received(self, jobs: Sequence[Job]) -> None:
        """Jobs wait in their groups."""
        self._send(
            # of those that came as messages Celery itself has told, but with the program for their arguments
            ("task-sent", job, {"timestamp": job.submitted_at}) if job.delivered else _received(job)
            for job in jobs
        )

    def submitted(self, jobs: Sequence[Job]) -> None:
        """IonQ has jobs: SUBMITTED, a state of our own."""
        self._send(("task-submitted", job, {}) for job in jobs)

    def started(self, jobs: Sequence[Job]) -> None:
        """IonQ executes jobs."""
        # Celery ranks a state it does not know after STARTED, and would keep SUBMITTED
        self._send(("task-started", job, {"state": states.STARTED}) for job in jobs)

    def retried(self, jobs: Sequence[Job], error: Exception, retries: int) -> None:
        """Jobs are offered to IonQ again.

        Args:
            jobs: Which.
            error: Why.
            retries: How often by now.
        """
        told = {"exception": repr(error), "traceback": None, "retries": retries}
        self._send(("task-retried", job, told) for job in jobs)

    def ended(self, jobs: Sequence[Ended]) -> None:
        """Jobs ended; each event says all there is to know, for whoever missed the others."""
        self._send(event for end in jobs for event in _events(end))

    def _send(self, events: Iterable[_Event]) -> None:
        """Send events, many in one message; none, no message."""
        dispatcher, some = self._dispatcher(), False
        for kind, job, fields in events:
            dispatcher.send(kind, **{**_called(job), **fields})
            some = True
        if some:
            dispatcher.flush()

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened.connection.release()


def _called(job: Job) -> dict[str, Any]:
    """Who a job is, which Flower otherwise knows only of those it saw from the start."""
    return {
        "uuid": job.job_id,
        "name": job.task,
        "args": job.summary,
        "kwargs": "{}",
        "root_id": job.root_id,
        "parent_id": job.parent_id,
    }


def _received(job: Job) -> _Event:
    return "task-received", job, {"retries": 0, "eta": None, "expires": None, "timestamp": job.submitted_at}


def _events(end: Ended) -> Iterator[_Event]:
    """One event says all; but Flower counts a job as waiting from one event to another, and needs both or neither."""
    fields: dict[str, Any] = {"received": end.job.submitted_at, "timestamp": end.at}
    if isinstance(end.value, JobRevokedError):
        if not end.known:
            yield _received(end.job)
        yield "task-revoked", end.job, {**fields, **_REVOKED, "expired": end.value.reason == "expired"}
        return
    if end.known and end.started is not None:
        yield "task-started", end.job, {"timestamp": end.started}
    if isinstance(end.value, Exception):
        failed = {"exception": repr(end.value), "traceback": None, "state": states.FAILURE}
        yield "task-failed", end.job, {**fields, **failed}
    else:
        yield "task-succeeded", end.job, {**fields, **end.value, "state": states.SUCCESS}
