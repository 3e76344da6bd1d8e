"""Celery's remote control, whose `revoke` reaches jobs that wait in Redis and at IonQ.

`AsyncResult.revoke()`, `app.control.revoke()` and Flower's button all come through here. A process that knows nothing
of qstore only broadcasts; workers hear that, see `workers.revoke`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.app import control
from celery.utils.functional import maybe_list

from qstore.door import door


class Control(control.Control):  # type: ignore[misc]  # Celery has no types
    """As Celery's."""

    def revoke(self, task_id: Any, *args: Any, **kwargs: Any) -> Any:
        """As Celery's: tell all workers to revoke jobs by id. Those that wait are canceled before it returns.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        door().cancellations.cancel(list(maybe_list(task_id) or ()))
        return super().revoke(task_id, *args, **kwargs)

    def revoke_by_stamped_headers(self, headers: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As Celery's: tell all workers to revoke jobs by stamped header. Those that wait are canceled at once.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        cancellations = door().cancellations
        cancellations.cancel(cancellations.stamped(headers))
        return super().revoke_by_stamped_headers(headers, *args, **kwargs)
