"""Bulk reads: many batches in one look, and what is done becomes outcomes.

Invariant: a circuit's result is found by its child id, never by the position of an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from qstore.circuits.counts import check_distribution
from qstore.errors import (
    InvalidResultError,
    IonQJobCanceledError,
    IonQJobFailedError,
    IonQRefusedError,
    QstoreError,
    TransientError,
)
from qstore.job import Batch, Run
from qstore.result import Outcome, measure
from qstore.state.batches import Batches
from qstore.state.ledger import Ledger
from workers.announce import Announcer
from workers.errands import Errands
from workers.ionq import Document, IonQ
from workers.registers import tally
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_GROWTH = 1.5  # of the pause between looks where IonQ predicts nothing


class Collect:
    """Looks at submitted batches.

    Args:
        ionq: The session.
        batches: Reads the runs of a batch.
        ledger: Batch records.
        settlement: Ends batches.
        announcer: Tells Flower.
        errands: Fetch several results at a time.
        floor: Shortest pause between two looks, seconds.
        ceiling: Longest pause, seconds.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        ionq: IonQ,
        batches: Batches,
        ledger: Ledger,
        settlement: Settlement,
        announcer: Announcer,
        errands: Errands,
        *,
        floor: float,
        ceiling: float,
        clock: Callable[[], float],
    ) -> None:
        self._ionq = ionq
        self._batches = batches
        self._ledger = ledger
        self._settlement = settlement
        self._announcer = announcer
        self._errands = errands
        self._floor = floor
        self._ceiling = ceiling
        self._clock = clock

    def look(self, batches: Sequence[Batch]) -> None:
        """Look at batches in one request; each is then ended, or looked at again later, by an errand of its own.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        try:
            documents = self._ionq.jobs([batch.remote_id for batch in batches])
        except (TransientError, IonQRefusedError) as error:
            logger.warning("%s batches could not be looked at: %s", len(batches), error)
            documents = {}
        for batch in batches:
            self._errands.run(self._one, batch, documents.get(batch.remote_id))

    def _one(self, batch: Batch, document: Document | None) -> None:
        status = document["status"] if document else None
        if document is None or status not in {"completed", "failed", "canceled"}:
            self._ledger.postpone(batch, self._pause(batch, document), self._announce(batch))
        elif status == "failed":
            failure = document.get("failure") or {}
            self._settlement.fail(
                batch,
                IonQJobFailedError(str(failure.get("message") or "no reason given"), str(failure.get("code") or "")),
            )
        elif status == "canceled":
            self._settlement.fail(batch, IonQJobCanceledError(f"IonQ's job {batch.remote_id} was canceled there."))
        else:
            self._completed(batch, document)

    def _announce(self, batch: Batch) -> list[int]:
        """Tell Flower of what is still running at the first look; what is done by then is told of all at once."""
        if batch.looks:
            return []
        waiting = self._batches.waiting(batch)
        self._announcer.started([job for jobs in waiting for job in jobs], batch.created_at, batch.submitted_at)
        return [len(jobs) for jobs in waiting]

    def _completed(self, batch: Batch, document: Document) -> None:
        runs = [each.run for each in self._batches.load(batch)]
        try:
            if len(runs) > 1:
                document = self._ionq.job(batch.remote_id)
            read = self._ionq.shots if runs[0].format == "qasm3" else self._ionq.probabilities
            shares = _shares(runs, document, read(document))
        except TransientError as error:
            logger.warning("The result of batch %s could not be read: %s", batch.batch_id, error)
            self._ledger.postpone(batch, self._pause(batch, None))
        except (InvalidResultError, IonQRefusedError) as error:
            self._settlement.fail(batch, error)
        else:
            self._settlement.settle(
                batch, [self._outcome(batch, run, document, share) for run, share in zip(runs, shares, strict=True)]
            )

    def _outcome(self, batch: Batch, run: Run, document: Document, share: Any) -> Outcome | QstoreError:
        """What one run gave; a share that makes no sense fails its own run only."""
        try:
            probabilities = (
                tally(share, run.width, run.group.shots)
                if run.format == "qasm3"
                else check_distribution(share, run.width)
            )
        except InvalidResultError as error:
            return error
        return measure(
            run,
            probabilities,
            remote_id=batch.remote_id,
            sent=batch.submitted_at,
            done=self._clock(),
            quantum_seconds=_billed(document, len(batch.run_ids)),
        )

    def _pause(self, batch: Batch, document: Document | None) -> float:
        """How long until it is worth looking again: what IonQ predicts, or ever longer."""
        predicted = 0.0
        if document is not None:
            milliseconds = (
                document.get(name) for name in ("predicted_wait_time_ms", "predicted_execution_duration_ms")
            )
            whole = sum(value for value in milliseconds if isinstance(value, int | float)) / 1000
            # a prediction counts from submission; what is left of it is the time to sleep
            predicted = whole - (self._clock() - _submitted_at(document, batch))
        if predicted <= 0:
            predicted = self._floor * _GROWTH ** min(batch.looks, 50)
        return min(max(predicted, self._floor), self._ceiling)


def _shares(runs: Sequence[Run], document: Document, artifact: Any) -> list[Any]:
    """Each run's part of the answer; None where IonQ left it out.

    Raises:
        InvalidResultError: The answer names circuits the job does not have.
    """
    children = document.get("child_job_ids")
    if not children and len(runs) == 1:
        return [artifact]
    if not isinstance(children, list) or len(children) != len(runs) or len(set(children)) != len(runs):
        raise InvalidResultError(f"IonQ's job {document.get('id')} names children {children} for {len(runs)} circuits.")
    if not isinstance(artifact, Mapping) or not set(artifact) <= set(children):
        raise InvalidResultError(f"IonQ's job {document.get('id')} answers for circuits it does not have.")
    return [artifact.get(child) for child in children]


def _billed(document: Document, circuits: int) -> float | None:
    """Seconds of quantum compute time billed for one circuit's share of the job."""
    microseconds = (document.get("stats") or {}).get("billed_quantum_compute_time_us")
    return microseconds / 1e6 / circuits if isinstance(microseconds, int | float) else None


def _submitted_at(document: Document, batch: Batch) -> float:
    try:
        return datetime.fromisoformat(document["submitted_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return batch.submitted_at
