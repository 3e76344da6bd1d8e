"""Many circuits in one call, pipelined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery.result import AsyncResult, ResultSet
from celery.utils import uuid

from qstore.app import app
from qstore.errors import InvalidJobError
from qstore.options import parse_options
from qstore.submission import Caller, Prepared
from qstore.tasks import door, promise, ring_for

_BULK = 500  # jobs in one Redis trip: some 1 MB of small circuits


def submit_circuits(circuits: Iterable[object], **options: Any) -> ResultSet:
    """Submit many circuits at once, pipelined: two Redis trips for some hundred jobs, one bell for each group.

    Args:
        circuits: As `submit_circuit` takes them.
        **options: As `submit_circuit` takes them, for all.

    Returns:
        A Celery `ResultSet`, in the order of the circuits. A circuit that turns out not to compile fails alone, and so
        does one for which the queue has no room (`QueueFull`).

    Raises:
        InvalidJobError: A circuit cannot run as asked; its number is named, and nothing was queued.
        StoreUnavailableError: Redis does not answer.
    """
    submission, _ = door()
    parsed = parse_options(options)
    prepared: list[Prepared] = []
    for number, circuit in enumerate(circuits):
        try:
            prepared.append(submission.prepare(Caller(uuid()), circuit, parsed))
        except InvalidJobError as error:
            raise type(error)(f"Circuit {number}: {error}") from error
    promises: list[AsyncResult] = []
    for start in range(0, len(prepared), _BULK):
        submitted = submission.submit(prepared[start : start + _BULK])
        for job in submitted:
            if job.error is not None:
                submission.fail(job.job_id, job.error)
        ring_for(submitted)
        promises += map(promise, submitted)
    return ResultSet(promises, app=app)
