"""A task that only a replica can do, for it has the connections: wherever it is called, it goes there.

Invariant: arguments are checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from celery import Signature, Task
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

    def message(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        """Check the arguments of a call.

        Returns:
            The same as keyword arguments that a message can carry, and what Flower shows of them.

        Raises:
            InvalidJobError: They make no sense, as far as that can be seen from here.
        """
        raise NotImplementedError

    def signature(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, *rest: Any, **options: Any
    ) -> Signature:
        """As Celery's. It may travel inside another task's message, so circuits become text in it, and arrays lists."""
        named = {name: _plain(value) for name, value in (kwargs or {}).items()}
        return super().signature(tuple(map(_plain, args or ())), named, *rest, **options)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult:
        """As Celery's, once the arguments are checked.

        Raises:
            InvalidJobError: The arguments make no sense; nothing was sent.
            StoreUnavailableError: Redis does not answer.
        """
        named, said = self.message(*(args or ()), **(kwargs or {}))
        try:
            return super().apply_async((), named, **{"retry": False, **shown(said), **options})
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


def shown(said: str) -> dict[str, str]:
    """The options of a message of which Flower shows a line, in the place of its arguments."""
    return {"argsrepr": said, "kwargsrepr": "{}"}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else portable(value)
