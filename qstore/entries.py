"""Jobs as Celery's clients see them: entries of the result backend, written many in one trip.

What an entry says is made by the result backend's own functions, so every client reads it as if a worker had
finished the task the usual way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, states
from celery.app.task import Context

from qstore.state.claims import Entry
from qstore.state.connection import Connection, translated

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
        return Entry(self._key(job_id), self._say(job_id, None, QUEUED), self._expires)

    def finish(self, ends: Sequence[Finish]) -> None:
        """Finish many jobs in one trip, and tell whoever waits for them.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        for end in ends:
            value = self._app.backend.prepare_exception(end.value) if end.state == states.FAILURE else end.value
            entry = self._say(end.job_id, value, end.state, end.parent_id)
            key = self._key(end.job_id)
            pipe.set(key, entry, ex=self._expires)
            pipe.publish(key, entry)
        with translated():
            pipe.execute()

    def _key(self, job_id: str) -> str:
        key: bytes = self._app.backend.get_key_for_task(job_id)
        return key.decode()

    def _say(self, job_id: str, value: Any, state: str, parent_id: str | None = None) -> str:
        request = Context(children=[], parent_id=parent_id)
        meta = self._app.backend._get_result_meta(value, state, None, request)  # noqa: SLF001 - its public callers write one entry a trip
        text: str = self._app.backend.encode({**meta, "task_id": job_id})
        return text
