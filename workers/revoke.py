"""Celery's `revoke`, made to reach jobs that wait in Redis and at IonQ: what a worker does when it hears the broadcast.

Every worker hears it, and every one cancels: the first one does, the others find the job gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker import control
from celery.worker.control import control_command

from qstore.errors import StoreUnavailableError
from qstore.state.cancellations import Cancellations

logger = logging.getLogger(__name__)

_NAMED = "[id1 [id2 [... [idN]]]]"
_STAMPED = "[key1=value1 [key2=value2 [... [keyN=valueN]]]]"


def hear_revokes(soon: Callable[[Callable[[], object]], object], cancellations: Cancellations) -> None:
    """Let this worker's `revoke` commands cancel jobs besides what Celery does itself.

    Args:
        soon: Has something done by another thread: the worker reads its broadcasts in the thread that calls this.
        cancellations: Ends jobs.
    """

    def cancel(find: Callable[[], Sequence[str]]) -> None:
        try:
            cancellations.cancel(find())
        except StoreUnavailableError as error:
            logger.error("Jobs could not be canceled, revoke them again: %s", error)  # noqa: TRY400 - its words say all

    @control_command(name="revoke", variadic="task_id", signature=_NAMED)  # type: ignore[untyped-decorator]  # Celery has no types
    def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **kwargs: Any) -> Any:
        """Revoke jobs by id, or list of ids."""
        soon(lambda: cancel(lambda: list(maybe_list(task_id) or ())))
        return control.revoke(state, task_id, terminate, signal, **kwargs)

    @control_command(name="revoke_by_stamped_headers", variadic="headers", signature=_STAMPED)  # type: ignore[untyped-decorator]  # as above
    def revoke_by_stamped_headers(
        state: Any, headers: Any, terminate: bool = False, signal: Any = None, **kwargs: Any
    ) -> Any:
        """Revoke jobs by stamped header."""
        stamps = dict(each.split("=", 1) for each in headers) if isinstance(headers, list) else headers
        soon(lambda: cancel(lambda: cancellations.stamped(stamps)))
        return control.revoke_by_stamped_headers(state, headers, terminate, signal, **kwargs)
