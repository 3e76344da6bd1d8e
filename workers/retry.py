"""What IonQ certainly did not take is offered again: when, how often, and who is told.

Invariant: only `TransientError` is ever retried, and nothing is put back whose request may have been taken.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

from qstore.entries import Entries
from qstore.errors import IonQThrottledError, PoolTimeout, TooManyRequests, TransientError
from qstore.job import Batch
from qstore.state.batches import Batches, Loaded
from workers.announce import Announcer
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_BLAMELESS = (IonQThrottledError, PoolTimeout, TooManyRequests)
"""What says nothing of the circuits: IonQ asks everybody to wait, or the request never left."""


class Retry:
    """Puts batches back.

    Args:
        batches: Returns runs to their groups.
        settlement: Ends what was offered often enough.
        entries: Celery's result backend, which says RETRY.
        announcer: Tells Flower.
        backoff: First pause, doubling, seconds.
    """

    def __init__(
        self, batches: Batches, settlement: Settlement, entries: Entries, announcer: Announcer, backoff: float
    ) -> None:
        self._batches = batches
        self._settlement = settlement
        self._entries = entries
        self._announcer = announcer
        self._backoff = backoff

    def offer_again(self, batch: Batch, error: TransientError, loaded: Sequence[Loaded] | None = None) -> None:
        """Put the runs of a batch that IonQ certainly did not take back, or give up.

        Args:
            batch: The batch.
            error: Why it was not taken.
            loaded: Its runs, where they are at hand.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        attempts = min(each.attempts for each in loaded or self._batches.load(batch))
        blame = not isinstance(error, _BLAMELESS)
        # full jitter, so that replicas that failed together do not come back together; a throttled request needs none
        # here: its breaker holds everybody back already
        pause = random.uniform(0, self._backoff * 2**attempts) if blame else 0.0  # noqa: S311 - no secret
        jobs = self._batches.waiting(batch)
        tellings = self._entries.tellings(jobs, self._entries.retrying(error, attempts + 1))
        match self._batches.put_back(batch, pause, blame=blame, tellings=tellings):
            case "returned":
                logger.warning("Batch %s: %s Its circuits wait %.1f s", batch.batch_id, error, pause)
                self._announcer.retried(jobs, error, attempts + 1)
            case "exhausted":
                self._settlement.fail(batch, error)
            case _:
                logger.warning("Batch %s is another replica's by now; offering it again is left to it", batch.batch_id)

    def return_unused(self, batch: Batch) -> None:
        """Put back the runs of a batch that was never sent, or was canceled for us; this counts for nothing.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        tellings = self._entries.tellings(self._batches.waiting(batch), self._entries.requeued)
        self._batches.put_back(batch, 0.0, blame=False, tellings=tellings)
