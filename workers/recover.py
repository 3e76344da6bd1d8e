"""What a dead worker left, and what a lost answer left open: found again at IonQ, or certainly not there.

Invariant: a batch whose request may have been sent is sent again only after its nonce was looked up and not found.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from qstore.errors import (
    BreakerOpen,
    IonQRefusedError,
    IonQThrottledError,
    IonQUnavailableError,
    SubmissionUncertainError,
    TransientError,
)
from qstore.job import Batch
from qstore.state.ledger import Ledger
from workers.ionq import Document, IonQ
from workers.payload import NONCE
from workers.progress import Progress
from workers.retry import Retry
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_CLOCKS_APART = 300.0  # seconds by which IonQ's clock and Redis's may differ


class Recovery:
    """Decides batches whose request may or may not have reached IonQ.

    Args:
        ionq: The session.
        ledger: Batch records.
        progress: Remembers what IonQ has, and tells of it.
        retry: Offers again what IonQ does not have.
        settlement: Ends what cannot be decided.
        guard: Leave to read.
        first_look: Seconds from finding a job to the first look at it.
        list_lag: Seconds until IonQ's list surely shows a job.
        undecided: Seconds after which a batch that could not be looked up is surfaced.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        ionq: IonQ,
        ledger: Ledger,
        progress: Progress,
        retry: Retry,
        settlement: Settlement,
        guard: Callable[[], AbstractContextManager[object]],
        *,
        first_look: float,
        list_lag: float,
        undecided: float,
        clock: Callable[[], float],
    ) -> None:
        self._ionq = ionq
        self._ledger = ledger
        self._progress = progress
        self._retry = retry
        self._settlement = settlement
        self._guard = guard
        self._first_look = first_look
        self._list_lag = list_lag
        self._undecided = undecided
        self._clock = clock

    def decide(self, batches: Sequence[Batch]) -> None:
        """Adopt the jobs of those batches that IonQ has; offer the circuits of the others again.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        for batch in batches:
            if not batch.begun:
                logger.warning("Batch %s was never sent; its circuits go back", batch.batch_id)
                self._retry.return_unused(batch)
        begun = [batch for batch in batches if batch.begun]
        if not begun:
            return
        try:
            with self._guard():
                found = self._find(begun)
        except (TransientError, IonQRefusedError) as error:
            for batch in begun:
                self._wait(batch, error)
            return
        for batch in begun:
            if batch.batch_id in found:
                remote_id = found[batch.batch_id]
                logger.warning("Batch %s was found again: IonQ's %s", batch.batch_id, remote_id)
                self._progress.submitted(batch, remote_id, self._first_look)
            else:
                self._retry.offer_again(batch, IonQUnavailableError("IonQ did not take the job."))

    def _find(self, batches: Sequence[Batch]) -> dict[str, str]:
        """IonQ's ids, by batch; the list is newest first, so the search ends where older jobs begin."""
        wanted = {batch.nonce: batch.batch_id for batch in batches}
        oldest = min(batch.created_at for batch in batches) - _CLOCKS_APART
        found: dict[str, str] = {}
        for document in self._ionq.recent():
            metadata = document.get("metadata")
            nonce = metadata.get(NONCE) if isinstance(metadata, dict) else None
            if nonce in wanted:
                found[wanted[nonce]] = str(document["id"])
            if len(found) == len(wanted) or _submitted_at(document) < oldest:
                break
        return found

    def _wait(self, batch: Batch, error: TransientError | IonQRefusedError) -> None:
        """Look it up again later; what could not be decided for too long is surfaced, not guessed."""
        if self._clock() - batch.created_at < self._undecided:
            logger.warning("Batch %s could not be looked up: %s", batch.batch_id, error)
            pause = error.retry_after if isinstance(error, BreakerOpen | IonQThrottledError) else None
            self._ledger.postpone(batch, max(pause or 0.0, self._list_lag))
            return
        self._settlement.fail(
            batch,
            SubmissionUncertainError(
                f"Whether IonQ took the job is not known, and could not be found out in {self._undecided:g} s: {error} "
                f"Look for a job named 'qstore {batch.nonce}' at IonQ before you submit the circuit again."
            ),
        )


def _submitted_at(document: Document) -> float:
    """Epoch seconds; the far future where IonQ does not say, so that no search ends there."""
    try:
        return datetime.fromisoformat(document["submitted_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return math.inf
