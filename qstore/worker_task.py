"""A task that only a replica can do, for it has the connections: wherever it is called, it goes there.

Invariant: arguments are checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery import Task
from celery.result import AsyncResult
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qstore.calling import portable
from qstore.errors import QstoreError, StoreUnavailableError, VectorStoreRefusedError


class WorkerTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose work a replica brings along.

    A direct call sends it to a replica and waits for the answer; `delay` and `apply_async` are Celery's own.

    Attributes:
        work: What does it; None outside of workers.
        patience: Seconds that a direct call waits.
    """

    abstract = True
    typing = False  # arguments are checked here, with errors of our own
    throws = (QstoreError,)  # a fault of the caller is no stack trace in the worker's log
    work: Callable[..., Any] | None = None
    patience = 60.0

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Raise what is wrong with the arguments, as far as that can be seen from here."""

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult:
        """As Celery's, once the arguments are checked; circuits among them become text.

        Raises:
            InvalidJobError: The arguments make no sense; nothing was sent.
            StoreUnavailableError: Redis does not answer.
        """
        values, named = tuple(args or ()), dict(kwargs or {})
        self.check(*values, **named)
        values, named = tuple(map(portable, values)), {name: portable(value) for name, value in named.items()}
        try:
            return super().apply_async(values, named, **{"retry": False, **options})
        except (OperationalError, RedisError) as error:
            raise StoreUnavailableError(
                f"Redis does not take the call: {error}. Check QSTORE_REDIS_URL and that Redis is up."
            ) from error

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """At a worker: do it. Called directly anywhere: have a worker do it, and wait.

        Raises:
            VectorStoreRefusedError: The worker has no vector store.
        """
        if self.request.called_directly:
            return self.apply_async(args, kwargs).get(timeout=self.patience, disable_sync_subtasks=False)
        if self.work is None:
            raise VectorStoreRefusedError(f"{self.name}: no vector store here; set QSTORE_VECTOR_STORE at the workers.")
        return self.work(*args, **kwargs)
