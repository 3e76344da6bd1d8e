"""Jobs as Celery's clients see them: entries of the result backend, written many in one trip.

What an entry says is made by the result backend's own functions, so every client reads it as if a worker had
finished the task the usual way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from celery import Celery, states
from celery.app.task import Context
from celery.exceptions import TaskRevokedError

from qstore.errors import JobRevokedError
from qstore.job import Job
from qstore.state.connection import Argument, Connection, translated
from qstore.state.entry import Entry, Telling
from qstore.state.keys import Keys

_ANY = "any-job"
_HITS = 10_000  # the newest, where no replica is up to tell Flower

QUEUED = "QUEUED"
"""The state of a job that waits in its group; Celery's PENDING means that nobody knows it."""

SUBMITTED = "SUBMITTED"
"""The state of a job whose circuit IonQ has taken, and not begun to execute."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How one job ends.

    Attributes:
        job_id: The Celery task id.
        value: The result, or the exception.
        parent_id: Celery's parent in the canvas.
        ignored: Whether the job has no entry.
    """

    job_id: str
    value: Any
    parent_id: str | None = None
    ignored: bool = False

    @property
    def state(self) -> str:
        """Celery's state."""
        if isinstance(self.value, JobRevokedError):
            return str(states.REVOKED)
        return str(states.FAILURE if isinstance(self.value, Exception) else states.SUCCESS)


class Entries:
    """Writes entries of Celery's result backend.

    Args:
        app: Whose result backend.
        connection: To the same Redis.
        keys: Key names of the shared state.
    """

    def __init__(self, app: Celery, connection: Connection, keys: Keys) -> None:
        self._app = app
        self._connection = connection
        self._keys = keys
        self._expires = int(app.backend.expires or 0) or 86_400

    def queued(self, job_id: str, *, ignored: bool = False) -> Entry:
        """The entry of a job that waits, for a script to write along with the job itself.

        Args:
            job_id: The job.
            ignored: Whether the job has none.
        """
        head, middle = self._queued
        return Entry(self.key(job_id), head, middle, self._tail(job_id), 0 if ignored else self._expires)

    @cached_property
    def requeued(self) -> str:
        """What the entries of jobs say that wait in their group again, before all others, all but the id."""
        head, middle = self._queued
        return f"{head}0{middle}"

    def submitted(self, batch_id: str, remote_id: str, at: float, predicted: float | None, *, running: bool) -> str:
        """What the entries of jobs say whose circuit IonQ has, all but the id.

        Args:
            batch_id: Of the batch.
            remote_id: IonQ's job id.
            at: Epoch seconds when IonQ took it.
            predicted: Seconds from then until IonQ expects to be done; None where it does not say.
            running: Whether IonQ executes it by now.
        """
        info = {"batch": batch_id, "remote_id": remote_id, "submitted_at": at, "predicted_seconds": predicted}
        return self._head(str(states.STARTED) if running else SUBMITTED, info)

    def retrying(self, error: Exception, retries: int) -> str:
        """What the entries of jobs say that are offered to IonQ again, all but the id: Celery's RETRY.

        Args:
            error: Why.
            retries: How often by now; Celery's `AsyncResult.retries`.
        """
        return self._head(str(states.RETRY), self._app.backend.prepare_exception(error), retries=retries)

    def revoked(self, job_id: str, reason: str) -> Telling:
        """The entry of a job that was canceled or expired, for a script to write: Celery's REVOKED."""
        told = self._app.backend.prepare_exception(TaskRevokedError(reason))
        return self._telling(job_id, self._head(str(states.REVOKED), told))

    def tellings(self, jobs: Sequence[Job], says: str) -> list[Telling]:
        """Entries of many jobs that are to say the same; those that ignore their result have none."""
        return [self._telling(job.job_id, says) for job in jobs if not job.ignore_result]

    def tell(self, jobs: Sequence[Job], says: str) -> None:
        """Write what the entries of jobs say from now on, where those still wait, in one trip.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if tellings := self.tellings(jobs, says):
            keys = [key for each in tellings for key in (each.job, each.key)]
            self._connection.call("tell", keys, [self._expires, *(each.value for each in tellings)])

    def write_queued(self, entry: Entry) -> None:
        """Write the entry of a job that waits as a Celery message.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if entry.expires:
            with translated():
                self._connection.client.set(entry.key, entry.value, ex=entry.expires)

    def finish(self, ends: Sequence[Finish], hits: Sequence[str] = ()) -> list[bool]:
        """Finish many jobs in one trip, and tell whoever waits for them.

        Args:
            ends: How each ends.
            hits: What Flower is to hear of those the cache answered, see `qstore.state.ledger.Hit`.

        Returns:
            For each whether Flower was told of it while it waited.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        alike = {state: self._meta(state) for state in {end.state for end in ends}}
        keys = [key for end in ends for key in (self._keys.job(end.job_id), self.key(end.job_id))]
        args: list[Argument] = [self._expires, _HITS, len(hits), *hits]
        for end in ends:
            says = "" if end.ignored else self._encode({**alike[end.state], **self._own(end)})
            args += [end.job_id, says]
        announced = self._connection.call("finish", [self._keys.hits, self._keys.announced, *keys], args)
        return [bool(each) for each in announced]

    def key(self, job_id: str) -> str:
        """The key of a job's entry."""
        key: bytes = self._app.backend.get_key_for_task(job_id)
        return key.decode()

    def _telling(self, job_id: str, says: str) -> Telling:
        return Telling(self._keys.job(job_id), self.key(job_id), says + self._tail(job_id), self._expires)

    def _own(self, end: Finish) -> dict[str, Any]:
        """What one entry says besides what all entries of its state say."""
        value = end.value
        if isinstance(value, JobRevokedError):
            value = TaskRevokedError(value.reason)
        if isinstance(value, Exception):
            value = self._app.backend.prepare_exception(value)
        parent = {"parent_id": end.parent_id} if end.parent_id else {}
        return {"task_id": end.job_id, "result": value, **parent}

    @cached_property
    def _queued(self) -> tuple[str, str]:
        """What the entry of any waiting job says before its position, and from there to its id."""
        head, middle = self._head(QUEUED, {"position": _ANY}).split(json.dumps(_ANY))
        return head, middle

    def _head(self, state: str, info: Any, **more: Any) -> str:
        """An entry of any job in that state, up to the job's id, which is the last it says."""
        meta = {**self._meta(state), "result": info, **more, "task_id": _ANY}
        return self._encode(meta).removesuffix(self._tail(_ANY))

    def _tail(self, job_id: str) -> str:
        return json.dumps(job_id) + "}"

    def _meta(self, state: str) -> dict[str, Any]:
        """What the result backend itself says of a task in that state."""
        backend = self._app.backend
        meta: dict[str, Any] = backend._get_result_meta(None, state, None, Context(children=[]))  # noqa: SLF001 - its public callers write one entry a trip
        return meta

    def _encode(self, meta: dict[str, Any]) -> str:
        text: str = self._app.backend.encode(meta)
        return text
