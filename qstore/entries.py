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

from qstore.state.claims import Entry
from qstore.state.connection import Connection, translated

_ANY = "any-job"

QUEUED = "QUEUED"
"""The state of a job that waits; Celery's PENDING means that nobody knows it."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How one job ends.

    Attributes:
        job_id: The Celery task id.
        value: The result, or the exception.
        parent_id: Celery's parent in the canvas.
    """

    job_id: str
    value: Any
    parent_id: str | None = None

    @property
    def state(self) -> str:
        """Celery's state."""
        return str(states.FAILURE if isinstance(self.value, Exception) else states.SUCCESS)


class Entries:
    """Writes entries of Celery's result backend.

    Args:
        app: Whose result backend.
        connection: To the same Redis.
    """

    def __init__(self, app: Celery, connection: Connection) -> None:
        self._app = app
        self._connection = connection
        self._expires = int(app.backend.expires or 0) or 86_400

    def queued(self, job_id: str) -> Entry:
        """The entry of a job that waits, for a script to write along with the job itself."""
        before, after = self._queued
        return Entry(self._key(job_id), before + json.dumps(job_id) + after, self._expires)

    def retrying(self, job_id: str, error: Exception, retries: int) -> Entry:
        """The entry of a job that is offered to IonQ again, for a script to write: Celery's RETRY.

        Args:
            job_id: The job.
            error: Why.
            retries: How often by now; Celery's `AsyncResult.retries`.
        """
        told = self._app.backend.prepare_exception(error)
        meta = {**self._meta(states.RETRY), "task_id": job_id, "result": told, "retries": retries}
        return Entry(self._key(job_id), self._encode(meta), self._expires)

    def write_queued(self, entry: Entry) -> None:
        """Write the entry of a job that waits as a Celery message.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            self._connection.client.set(entry.key, entry.value, ex=entry.expires)

    def finish(self, ends: Sequence[Finish]) -> None:
        """Finish many jobs in one trip, and tell whoever waits for them.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        alike = {state: self._meta(state) for state in {end.state for end in ends}}
        says = [self._encode({**alike[end.state], **self._own(end)}) for end in ends]
        self._connection.call("finish", [self._key(end.job_id) for end in ends], [self._expires, *says])

    def _own(self, end: Finish) -> dict[str, Any]:
        """What one entry says besides what all entries of its state say."""
        value = self._app.backend.prepare_exception(end.value) if end.state == states.FAILURE else end.value
        parent = {"parent_id": end.parent_id} if end.parent_id else {}
        return {"task_id": end.job_id, "result": value, **parent}

    @cached_property
    def _queued(self) -> tuple[str, str]:
        """What the entry of any waiting job says, before and after its id: only the id differs."""
        entry = self._encode({**self._meta(QUEUED), "task_id": _ANY})
        before, after = entry.split(json.dumps(_ANY))
        return before, after

    def _key(self, job_id: str) -> str:
        key: bytes = self._app.backend.get_key_for_task(job_id)
        return key.decode()

    def _meta(self, state: str) -> dict[str, Any]:
        """What the result backend itself says of a task in that state."""
        backend = self._app.backend
        meta: dict[str, Any] = backend._get_result_meta(None, state, None, Context(children=[]))  # noqa: SLF001 - its public callers write one entry a trip
        return meta

    def _encode(self, meta: dict[str, Any]) -> str:
        text: str = self._app.backend.encode(meta)
        return text
