"""What a dead worker left, and what a lost answer left open: found again at IonQ, or certainly not there.

Invariant: a batch whose request may have been sent is sent again only after its nonce was looked up and not found.
"""

from __future__ import annotations

import logging
from datetime import datetime

from qstore.errors import IonQRefusedError, SubmissionUncertainError, TransientError
from qstore.job import Batch
from qstore.state.ledger import Ledger
from workers.dispatch import Dispatch
from workers.ionq import IonQ
from workers.payload import NONCE

logger = logging.getLogger(__name__)

_CLOCKS_APART = 300.0  # seconds by which IonQ's clock and Redis's may differ


class Recovery:
    """Decides batches whose request may or may not have reached IonQ.

    Args:
        ionq: The session.
        ledger: Batch records.
        dispatch: Offers again what IonQ does not have.
        first_look: Seconds from finding a job to the first look at it.
        list_lag: Seconds until IonQ's list surely shows a job.
    """

    def __init__(
        self,
        ionq: IonQ,
        ledger: Ledger,
        dispatch: Dispatch,
        *,
        first_look: float,
        list_lag: float,
    ) -> None:
        self._ionq = ionq
        self._ledger = ledger
        self._dispatch = dispatch
        self._first_look = first_look
        self._list_lag = list_lag

    def decide(self, batch: Batch) -> None:
        """Adopt the batch's job where IonQ has it, else offer its circuits again.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        try:
            remote_id = self._find(batch)
        except (TransientError, IonQRefusedError) as error:
            logger.warning("Batch %s could not be looked up: %s", batch.batch_id, error)
            self._ledger.postpone(batch, self._list_lag)
            return
        if remote_id is None:
            self._dispatch.offer_again(batch, SubmissionUncertainError("IonQ does not have the job."))
        else:
            logger.info("Batch %s was found again: IonQ's %s", batch.batch_id, remote_id)
            self._ledger.submitted(batch, remote_id, pause=self._first_look)

    def _find(self, batch: Batch) -> str | None:
        """IonQ's id of the batch's job; the list is newest first, so the search ends where older jobs begin."""
        for document in self._ionq.recent():
            if (document.get("metadata") or {}).get(NONCE) == batch.nonce:
                return str(document["id"])
            submitted_at = datetime.fromisoformat(document["submitted_at"]).timestamp()
            if submitted_at < batch.created_at - _CLOCKS_APART:
                return None
        return None
