"""Waiting runs become one IonQ job: recorded first, sent once, remembered.

Invariant: a request is only ever sent for a batch whose intent is in the ledger, and what happened to it decides
what comes next: taken, refused, certainly not taken, or unknown. Unknown is never answered by sending again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence

from qstore.errors import IonQRefusedError, IonQThrottledError, SubmissionUncertainError, TransientError
from qstore.job import Batch, Group
from qstore.state.batches import Batches, Loaded
from qstore.state.ledger import Ledger
from workers.ionq import IonQ
from workers.payload import payload
from workers.settle import Settlement

logger = logging.getLogger(__name__)


class Dispatch:
    """Sends batches.

    Args:
        batches: Takes runs from their groups.
        ledger: Batch records.
        ionq: The session.
        settlement: Ends what IonQ refuses.
        first_look: Seconds from acceptance to the first look.
        list_lag: Seconds until IonQ's list surely shows a job.
        max_retries: Times a batch that IonQ did not take is offered again.
        backoff: First pause before that, doubling, seconds.
    """

    def __init__(
        self,
        batches: Batches,
        ledger: Ledger,
        ionq: IonQ,
        settlement: Settlement,
        *,
        first_look: float,
        list_lag: float,
        max_retries: int,
        backoff: float,
    ) -> None:
        self._batches = batches
        self._ledger = ledger
        self._ionq = ionq
        self._settlement = settlement
        self._first_look = first_look
        self._list_lag = list_lag
        self._max_retries = max_retries
        self._backoff = backoff

    def group(self, group: Group) -> None:
        """Send every batch of a group that may leave now.

        Raises:
            StoreUnavailableError: Redis does not answer; what was taken waits in the ledger.
        """
        for batch in self.take(group):
            self.send(batch)

    def take(self, group: Group) -> Iterator[Batch]:
        """Take every batch of a group that may leave now; whoever takes one sends it.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        more = True
        while more:
            batch, more = self._batches.take(group)
            if batch is not None:
                yield batch

    def send(self, batch: Batch) -> None:
        """Send a batch just taken, once, and remember what became of it.

        Raises:
            StoreUnavailableError: Redis does not answer; the batch waits in the ledger.
        """
        begun = self._batches.begin(batch)
        if begun is None:
            logger.warning("Batch %s waited too long to be sent and is another replica's by now", batch.batch_id)
            return
        batch, loaded = begun
        try:
            remote_id = self._ionq.submit(payload(batch, [each.run for each in loaded]))
        except IonQRefusedError as error:
            self._settlement.fail(batch, error)
        except TransientError as error:
            self._put_back(batch, loaded, error)
        except SubmissionUncertainError as error:
            logger.warning("Batch %s: %s It will be looked up before anything else is sent", batch.batch_id, error)
            self._ledger.postpone(batch, self._list_lag)
        else:
            logger.info("Batch %s: %s circuits are IonQ's %s", batch.batch_id, len(loaded), remote_id)
            if not self._ledger.submitted(batch, remote_id, pause=self._first_look):
                logger.warning("Batch %s is another replica's by now; it will find the job", batch.batch_id)

    def offer_again(self, batch: Batch, error: TransientError | SubmissionUncertainError) -> None:
        """Put the runs of a batch that IonQ certainly did not take back, or give up after `max_retries`.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._put_back(batch, self._batches.load(batch), error)

    def _put_back(
        self, batch: Batch, loaded: Sequence[Loaded], error: TransientError | SubmissionUncertainError
    ) -> None:
        attempts = min(each.attempts for each in loaded)
        if attempts >= self._max_retries:
            self._settlement.fail(batch, error)
            return
        asked = error.retry_after if isinstance(error, IonQThrottledError) else None
        # full jitter, so that replicas that failed together do not come back together
        pause = asked if asked is not None else random.uniform(0, self._backoff * 2**attempts)  # noqa: S311 - no secret
        logger.warning("Batch %s: %s Its circuits wait %.1f s", batch.batch_id, error, pause)
        self._batches.put_back(batch, pause)
