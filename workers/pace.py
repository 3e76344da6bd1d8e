"""When to look at a batch again, and when it has taken too long.

Invariant: no pause, whoever asked for it, sleeps through the end of the last wait a batch is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from qstore.errors import BreakerOpen, IonQThrottledError, QstoreError
from qstore.job import Batch

_WAIT, _EXECUTION = "predicted_wait_time_ms", "predicted_execution_duration_ms"  # both count from the submission
_LONG = 2.0  # seconds: a start that is farther away is worth a look of its own
_GROWTH = 1.5  # of the pause between looks where IonQ predicts nothing


class Pace:
    """Paces the looks at batches.

    Args:
        floor: Shortest pause between two looks, seconds.
        ceiling: Longest pause, seconds.
        timeout_simulator: Seconds IonQ's simulator may take over a job.
        timeout_qpu: Seconds a machine may take, its queue included.
        grace: Seconds from the timeout to the end of a job that is neither canceled nor completed by then.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        *,
        floor: float,
        ceiling: float,
        timeout_simulator: float,
        timeout_qpu: float,
        clock: Callable[[], float],
        grace: float = 60.0,
    ) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._timeout_simulator = timeout_simulator
        self._timeout_qpu = timeout_qpu
        self._grace = grace
        self._clock = clock
        self._began = clock()

    def timeout(self, batch: Batch) -> float:
        """Seconds the batch's job may take."""
        return self._timeout_simulator if batch.group.backend == "simulator" else self._timeout_qpu

    def late(self, batch: Batch) -> bool:
        """Whether the batch's job takes longer than it may."""
        return self._overdue(batch) >= 0

    def over(self, batch: Batch) -> bool:
        """Whether the grace has passed, too."""
        return self._overdue(batch) >= self._grace

    def pause(
        self, batch: Batch, document: Mapping[str, Any] | None = None, trouble: QstoreError | None = None
    ) -> float:
        """How long until it is worth looking again: what is asked for or predicted, or ever longer.

        Args:
            batch: The batch.
            document: What IonQ says of its job; None where it said nothing.
            trouble: Why IonQ could not be asked.

        Returns:
            Seconds.
        """
        overdue = self._overdue(batch)
        end = self._grace
        if isinstance(trouble, BreakerOpen | IonQThrottledError) and trouble.retry_after is not None:
            pause = trouble.retry_after
        elif overdue >= 0:
            pause = min(overdue / 2, self._ceiling)  # short at first: it was canceled just now
        else:
            pause = self._predicted(batch, document) or self._floor * _GROWTH ** min(batch.looks, 50)
            pause, end = min(pause, self._ceiling), 0.0
        return max(self._floor, min(pause, end - overdue) if end > overdue else pause)

    def _overdue(self, batch: Batch) -> float:
        """Seconds since the timeout, negative before; counted from its own start by a replica that was away then."""
        return self._clock() - max(batch.submitted_at + self.timeout(batch), self._began)

    def _predicted(self, batch: Batch, document: Mapping[str, Any] | None) -> float:
        """Seconds until the job starts, where that is some time, else until it ends; 0 where IonQ predicts nothing."""
        if document is None or (whole := predicted(document)) is None:
            return 0.0
        passed = self._clock() - _submitted_at(document, batch)
        wait = document.get(_WAIT)
        if isinstance(wait, int | float) and wait / 1000 - passed > _LONG:
            return wait / 1000 - passed
        return max(0.0, whole - passed)


def predicted(document: Mapping[str, Any]) -> float | None:
    """Seconds from a job's submission to its end, by IonQ's prediction; None where it predicts nothing."""
    milliseconds = (document.get(name) for name in (_WAIT, _EXECUTION))
    known = [value for value in milliseconds if isinstance(value, int | float)]
    return sum(known) / 1000 if known else None


def _submitted_at(document: Mapping[str, Any], batch: Batch) -> float:
    try:
        return datetime.fromisoformat(document["submitted_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return batch.submitted_at
