"""How far a job is, in one look."""

from __future__ import annotations

from typing import Any, TypedDict

from celery.result import AsyncResult

from qstore.app import app
from qstore.door import door
from qstore.state.connection import translated


class Status(TypedDict):
    """How far a job is; null where that is not known, or not so.

    Keys:
        job_id: The Celery task id.
        state: QUEUED, SUBMITTED, STARTED, RETRY, SUCCESS, FAILURE, REVOKED; PENDING where nobody knows the job (any
            more), or its message has not reached a worker yet.
        position: Circuits before it in its group, now; of a QUEUED job.
        batch: Id of the batch it travels in; of a SUBMITTED or STARTED job.
        remote_id: IonQ's job id; of one that IonQ has, or had.
        submitted_at: Epoch seconds when IonQ took it.
        predicted_seconds: From then until IonQ expects to be done.
        retries: How often it was offered to IonQ again.
        error: Why it is offered again, or failed.
    """

    job_id: str
    state: str
    position: int | None
    batch: str | None
    remote_id: str | None
    submitted_at: float | None
    predicted_seconds: float | None
    retries: int | None
    error: str | None


def status(job: AsyncResult | str) -> Status:
    """Look how far a job is, in at most four Redis trips.

    Args:
        job: A result of `submit_circuit.delay()`, or an id.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    result = app.AsyncResult(job if isinstance(job, str) else job.id)
    with translated():
        meta: dict[str, Any] = result._get_task_meta()  # noqa: SLF001 - one trip; its public properties make one each
    state, info = str(meta["status"]), meta.get("result")
    known = info if isinstance(info, dict) else {}
    times = known.get("times") or {}
    return Status(
        job_id=str(result.id),
        state=state,
        position=door().claims.position(str(result.id)) if state == "QUEUED" else None,
        batch=known.get("batch"),
        remote_id=known.get("remote_id"),
        submitted_at=known.get("submitted_at", times.get("sent")),
        predicted_seconds=known.get("predicted_seconds"),
        retries=meta.get("retries"),
        error=str(info) or type(info).__name__ if isinstance(info, Exception) else None,
    )
