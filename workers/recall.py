"""Asks the archive before anything is bought: what it knows, and is young enough, is answered and leaves its batch.

Invariant: nothing waits long for it, and nothing fails by it. Without an answer the batch is sent as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from qstore.errors import QstoreError, StoreUnavailableError
from qstore.job import Batch
from qstore.outcome import Outcome
from qstore.state.batches import Batches, Loaded
from qstore.state.calibrations import Calibrations
from qstore.state.ending import StaleError
from workers.archive import Archive
from workers.retry import Retry
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_THREADS = 4  # questions under way; the next ones wait, and nobody for them longer than the patience lasts


class Recall:
    """Answers runs from the archive.

    Args:
        archive: What is known.
        batches: Reads runs, and parts batches.
        calibrations: Of machines.
        settlement: Finishes what is answered.
        retry: Puts back what is not, after all.
        patience: Seconds that a batch waits for an answer.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        archive: Archive,
        batches: Batches,
        calibrations: Calibrations,
        settlement: Settlement,
        retry: Retry,
        *,
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._archive = archive
        self._batches = batches
        self._calibrations = calibrations
        self._settlement = settlement
        self._retry = retry
        self._patience = patience
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="qstore-recall")

    def close(self) -> None:
        """Ask nothing more; whoever waits for an answer goes on without."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def answer(self, batch: Batch) -> Batch | None:
        """Answer those runs of a batch, which is not begun, that the archive knows.

        Returns:
            The batch with those that are left; None where none is.

        Raises:
            StoreUnavailableError: Redis does not answer; the batch waits in the ledger.
        """
        loaded = [each for each in self._batches.load(batch) if each.archive_age > 0]
        known = self._fitting(batch, loaded, self._known([each.run.run_id for each in loaded]))
        if not known:
            return batch
        if len(known) == len(batch.run_ids):
            return batch if self._stale(batch, known) else None
        parted = self._batches.part(batch, list(known))
        if parted is None:
            return batch  # another replica's by now; the next look at it finds that out
        part, rest = parted
        if self._stale(part, known):
            self._retry.return_unused(part)
        return rest

    def _known(self, run_ids: Sequence[str]) -> Mapping[str, Outcome]:
        if not run_ids:
            return {}
        try:
            return self._threads.submit(self._archive.recall, run_ids).result(self._patience)
        except StoreUnavailableError:
            raise
        except TimeoutError:
            logger.info("The archive did not answer within %g s", self._patience)
        except QstoreError as error:
            logger.info("The archive was not asked: %s", error)
        except Exception:
            # whatever is wrong with it, the circuits can still be bought
            logger.exception("The archive gave no answer")
        return {}

    def _fitting(self, batch: Batch, loaded: Sequence[Loaded], known: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """What is young enough, and of the machine as it is calibrated now, as far as that is known."""
        calibration = self._calibrations.known(batch.group.backend) if known else None
        now = self._clock()
        return {
            each.run.run_id: outcome
            for each in loaded
            if (outcome := known.get(each.run.run_id)) is not None
            and now - outcome.done < each.archive_age
            and (not calibration or calibration == outcome.calibration)
        }

    def _stale(self, batch: Batch, known: Mapping[str, Outcome]) -> bool:
        """Finish a batch with what is known; whether that was no answer any more."""
        try:
            self._settlement.recall(batch, [known[run_id] for run_id in batch.run_ids])
        except StaleError:
            return True
        logger.info("Batch %s: the archive knew %s circuits", batch.batch_id, len(batch.run_ids))
        return False
