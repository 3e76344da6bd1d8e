"""Tells Flower of jobs that no Celery message stands for, in Celery's own events, many in one message.

Every event carries this replica's real hostname: an invented one would show as a worker that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def _dispatcher(self) -> EventDispatcher:
        return self._app.events.Dispatcher(
            self._app.connection_for_write(),
            hostname=self._hostname,
            enabled=bool(self._app.conf.worker_send_task_events),
            buffer_group={"task"},
            buffer_limit=_UNBOUNDED,
        )

    def started(self, jobs: Sequence[Job], received_at: float, started_at: float) -> None:
        """Jobs left for IonQ.

        Args:
            jobs: Which; those a worker holds as a message are known to Flower already.
            received_at: Epoch seconds when a worker took them.
            started_at: Epoch seconds when IonQ took them.
        """
        for job in jobs:
            if not job.delivered:
                self._started(job, received_at, started_at)
        self._dispatcher.flush()

    def ended(self, jobs: Sequence[Ended], unannounced: Sequence[Job] = ()) -> None:
        """Jobs ended.

        Args:
            jobs: Which.
            unannounced: Those among them Flower has not heard of: they joined on the way, or were hits.
        """
        for job in unannounced:
            if not job.delivered:
                self._started(job, job.submitted_at, job.submitted_at)
        for end in jobs:
            failed = isinstance(end.value, Exception)
            told: dict[str, Any] = (
                {"exception": repr(end.value), "traceback": None}
                if failed
                else {"result": end.value, "runtime": end.runtime}
            )
            self._dispatcher.send(
                "task-failed" if failed else "task-succeeded", uuid=end.job.job_id, timestamp=end.at, **told
            )
        self._dispatcher.flush()

    def close(self) -> None:
        """Close the connection."""
        if "_dispatcher" in self.__dict__:
            self._dispatcher.close()
            self._dispatcher.connection.release()

    def _started(self, job: Job, received_at: float, started_at: float) -> None:
        send = self._dispatcher.send
        send(
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
        send("task-started", uuid=job.job_id, timestamp=started_at)
