"""Tells Flower of jobs that no Celery message stands for, in Celery's own events, many in one message.

Every event carries this replica's real hostname: an invented one would show as a worker that does not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, states
from celery.events import EventDispatcher

from qstore.errors import JobRevokedError
from qstore.job import Job

_UNBOUNDED = 1 << 30  # flushed by hand
_STATES = {"task-succeeded": states.SUCCESS, "task-failed": states.FAILURE, "task-revoked": states.REVOKED}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        job: The job.
        value: What Flower shows of its result, see `workers.shown`; or the exception.
        at: Epoch seconds.
    """

    job: Job
    value: Mapping[str, Any] | Exception
    at: float


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
        """Jobs wait in their groups; of those that came as messages Celery itself has told."""
        dispatcher = self._dispatcher()
        for job in jobs:
            if not job.delivered:
                waits = {"retries": 0, "eta": None, "expires": None, "timestamp": job.submitted_at}
                dispatcher.send("task-received", **_called(job), **waits)
        dispatcher.flush()

    def submitted(self, jobs: Sequence[Job], at: float) -> None:
        """IonQ took jobs: SUBMITTED, a state of our own.

        Args:
            jobs: Which.
            at: Epoch seconds.
        """
        dispatcher = self._dispatcher()
        for job in jobs:
            dispatcher.send("task-submitted", **_called(job), timestamp=at)
        dispatcher.flush()

    def started(self, jobs: Sequence[Job], at: float) -> None:
        """IonQ executes jobs.

        Args:
            jobs: Which.
            at: Epoch seconds.
        """
        dispatcher = self._dispatcher()
        for job in jobs:
            # Celery ranks a state it does not know after STARTED, and would keep SUBMITTED
            dispatcher.send("task-started", **_called(job), timestamp=at, state=states.STARTED)
        dispatcher.flush()

    def retried(self, jobs: Sequence[Job], error: Exception, retries: int) -> None:
        """Jobs are offered to IonQ again.

        Args:
            jobs: Which.
            error: Why.
            retries: How often by now.
        """
        dispatcher = self._dispatcher()
        for job in jobs:
            told = {"exception": repr(error), "traceback": None, "retries": retries}
            dispatcher.send("task-retried", **_called(job), **told)
        dispatcher.flush()

    def ended(self, jobs: Sequence[Ended]) -> None:
        """Jobs ended; each event says all there is to know, for whoever missed the others."""
        dispatcher = self._dispatcher()
        for end in jobs:
            told: dict[str, Any]
            if isinstance(end.value, JobRevokedError):
                expired = end.value.reason == "expired"
                kind, told = "task-revoked", {"terminated": False, "signum": None, "expired": expired}
            elif isinstance(end.value, Exception):
                kind, told = "task-failed", {"exception": repr(end.value), "traceback": None}
            else:
                kind, told = "task-succeeded", dict(end.value)
            state = _STATES[kind]
            dispatcher.send(
                kind, **_called(end.job), **{"received": end.job.submitted_at, **told}, timestamp=end.at, state=state
            )
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
