"""Tells Flower of jobs that no Celery message stands for, in Celery's own events, many in one message.

Every event carries this replica's real hostname: an invented one would show as a worker that does not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.events import EventDispatcher

from qstore.job import Job

_TASK = "qstore.submit_circuit"
_UNBOUNDED = 1 << 30  # flushed by hand


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        job: The job.
        value: A line of result, or the exception.
        at: Epoch seconds.
        runtime: Seconds from IonQ's acceptance to the outcome.
    """

    job: Job
    value: str | Exception
    at: float
    runtime: float


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

    def started(self, jobs: Sequence[Job], received_at: float, started_at: float) -> None:
        """Jobs left for IonQ.

        Args:
            jobs: Which; those a worker holds as a message are known to Flower already.
            received_at: Epoch seconds when a worker took them.
            started_at: Epoch seconds when IonQ took them.
        """
        dispatcher = self._dispatcher()
        for job in jobs:
            if not job.delivered:
                self._started(dispatcher, job, received_at, started_at)
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
            if not job.delivered:
                self._received(dispatcher, job, job.submitted_at)
            dispatcher.send("task-retried", uuid=job.job_id, exception=repr(error), traceback=None, retries=retries)
        dispatcher.flush()

    def ended(self, jobs: Sequence[Ended], unannounced: Sequence[Job] = ()) -> None:
        """Jobs ended.

        Args:
            jobs: Which.
            unannounced: Those among them Flower has not heard of: they joined on the way, or were hits.
        """
        dispatcher = self._dispatcher()
        for job in unannounced:
            if not job.delivered:
                self._started(dispatcher, job, job.submitted_at, job.submitted_at)
        for end in jobs:
            failed = isinstance(end.value, Exception)
            told: dict[str, Any] = (
                {"exception": repr(end.value), "traceback": None}
                if failed
                else {"result": end.value, "runtime": end.runtime}
            )
            dispatcher.send(
                "task-failed" if failed else "task-succeeded", uuid=end.job.job_id, timestamp=end.at, **told
            )
        dispatcher.flush()

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened.connection.release()

    def _started(self, dispatcher: EventDispatcher, job: Job, received_at: float, started_at: float) -> None:
        self._received(dispatcher, job, received_at)
        dispatcher.send("task-started", uuid=job.job_id, timestamp=started_at)

    def _received(self, dispatcher: EventDispatcher, job: Job, received_at: float) -> None:
        dispatcher.send(
            "task-received",
            uuid=job.job_id,
            name=_TASK,
            args=job.summary,
            kwargs="{}",
            root_id=job.root_id,
            parent_id=job.parent_id,
            retries=0,
            eta=None,
            expires=None,
            timestamp=received_at,
        )
