"""Ending jobs that still wait, from anywhere: no worker has to hear of it."""

from __future__ import annotations

from celery.result import AsyncResult

from qstore.door import door


def cancel(*jobs: AsyncResult | str) -> list[bool]:
    """End jobs that have no counts yet. Nothing is paid for what is not at IonQ yet.

    A circuit nobody else waits for is not sent; an IonQ job in which nothing is wanted any more is canceled there.
    Whoever joined the same circuit still gets counts.

    Args:
        *jobs: Results of `submit_circuit.delay()`, or ids.

    Returns:
        For each whether this call ended it; not so where it has ended already, or travels as a Celery message still
        (a later member of a chain, a countdown): `AsyncResult.revoke()` reaches those too, as Celery does.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    return door().cancellations.cancel([job if isinstance(job, str) else str(job.id) for job in jobs])
