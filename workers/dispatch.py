"""Waiting runs become one IonQ job: recorded first, sent once, remembered.

Invariant: a request is only ever sent for a batch whose intent is in the ledger, and what happened to it decides
what comes next: taken, refused, certainly not taken, or unknown. Unknown is never answered by sending again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus

from qstore.errors import IonQRefusedError, QstoreError, StoreUnavailableError, SubmissionUncertainError, TransientError
from qstore.job import Batch, Group
from qstore.state.batches import Batches, Loaded
from qstore.state.breaker import Breakers, Permit
from qstore.state.ledger import Ledger
from workers.calibrate import Calibrate
from workers.failpoint import Reached
from workers.ionq import IonQ
from workers.payload import payload
from workers.progress import Progress
from workers.retry import Retry
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_ONE_OF_THEM = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Refusals that may be about one circuit of many."""

# a clock that goes on while the machine sleeps, where there is one
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class UnsentError(Exception):
    """The request was not sent: the batch may be another replica's by now, or nobody's."""


class Dispatch:
    """Sends batches.

    Args:
        batches: Takes runs from their groups.
        ledger: Batch records.
        progress: Remembers what IonQ has, and tells of it.
        breakers: Told what became of requests.
        ionq: The session.
        settlement: Ends what IonQ refuses.
        retry: Offers again what IonQ did not take.
        calibrate: Finds out how the machine is calibrated.
        recall: Answers for runs that the archive knows; returns what is left of the batch, None for nothing.
        first_look: Seconds from acceptance to the first look.
        list_lag: Seconds until IonQ's list surely shows a job.
        sendable: Seconds from the renewal of a lease in which a request may still be sent: whoever takes over after
            the lease then finds its job in IonQ's list.
        reached: Told at each named place of the way.
    """

    def __init__(
        self,
        batches: Batches,
        ledger: Ledger,
        progress: Progress,
        breakers: Breakers,
        ionq: IonQ,
        settlement: Settlement,
        retry: Retry,
        calibrate: Calibrate,
        recall: Callable[[Batch], Batch | None],
        *,
        first_look: float,
        list_lag: float,
        sendable: float,
        reached: Reached,
    ) -> None:
        self._batches = batches
        self._ledger = ledger
        self._progress = progress
        self._breakers = breakers
        self._ionq = ionq
        self._settlement = settlement
        self._retry = retry
        self._calibrate = calibrate
        self._recall = recall
        self._first_look = first_look
        self._list_lag = list_lag
        self._sendable = sendable
        self._reached = reached
        self._closing = threading.Event()

    def close(self) -> None:
        """Take nothing more; what is under way goes on to its end."""
        self._closing.set()

    def group(self, group: Group) -> None:
        """Send every batch of a group that may leave now.

        Raises:
            StoreUnavailableError: Redis does not answer; what was taken waits in the ledger.
        """
        more = True
        while more and not self._closing.is_set():
            taken = self._batches.take(group)
            more = taken.more
            if taken.batch is not None:
                self.send(taken.batch)

    def take(self, group: Group) -> tuple[list[Batch], bool]:
        """Take every batch of a group that may leave now; whoever takes one sends it.

        Returns:
            The batches, and whether another one only waits for one of them to get out of its way.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        batches: list[Batch] = []
        while True:
            taken = self._batches.take(group)
            if taken.batch is not None:
                batches.append(taken.batch)
            if not taken.more:
                return batches, taken.busy

    def send(self, batch: Batch) -> None:
        """Send a batch just taken, less what the archive knows of it, once, and remember what became of it.

        Raises:
            StoreUnavailableError: Redis does not answer; the batch waits in the ledger.
        """
        self._reached("dispatch.taken")
        self._calibrate.ensure(batch.group.backend)
        left = self._recall(batch)
        if left is None:
            self._report(batch, UnsentError("The archive knew all of it."))
        else:
            self._send(left)

    def _send(self, batch: Batch) -> None:
        """Send what is left of it, once."""
        sendable_until = time.clock_gettime(_CLOCK) + self._sendable
        begun = self._batches.begin(batch)
        if begun is None:
            logger.warning("Batch %s waited too long to be sent and is another replica's by now", batch.batch_id)
            return
        batch, loaded = begun
        if not loaded:
            self._report(batch, UnsentError("Nobody waits for its circuits any more."))
            logger.info("Batch %s: nobody waits for its circuits any more", batch.batch_id)
            return
        self._reached("dispatch.begun")

        def before_sending() -> None:
            self._reached("dispatch.sending")
            if time.clock_gettime(_CLOCK) > sendable_until:
                raise UnsentError("The lease runs out before an answer could come.")

        try:
            remote_id = self._ionq.submit(payload(batch, [each.run for each in loaded]), before_sending)
        except UnsentError as error:
            self._report(batch, error)
            logger.warning("Batch %s was not sent: %s", batch.batch_id, error)
            self._retry.return_unused(batch)
        except SubmissionUncertainError as error:
            self._report(batch, error)
            logger.warning("Batch %s: %s It will be looked up before anything else is sent", batch.batch_id, error)
            self._ledger.postpone(batch, self._list_lag)
        except TransientError as error:
            self._report(batch, error)
            self._retry.offer_again(batch, error, loaded)
        except IonQRefusedError as error:
            self._report(batch, error)
            self._refused(batch, loaded, error)
        else:
            self._reached("dispatch.answered")
            self._taken(batch, remote_id)

    def _taken(self, batch: Batch, remote_id: str) -> None:
        if self._progress.submitted(batch, remote_id, self._first_look):
            logger.info("Batch %s: %s circuits are IonQ's %s", batch.batch_id, len(batch.run_ids), remote_id)
            self._reached("dispatch.submitted")
            return
        # while this replica slept another one found the job, and it has ended; or did not, and the circuits went back:
        # then nobody will read what was bought, and it must not run
        logger.error("Batch %s is gone: IonQ's %s is canceled, unless it has ended", batch.batch_id, remote_id)
        try:
            self._ionq.cancel(remote_id)
        except QstoreError as error:
            logger.error("IonQ's %s could not be canceled, cancel it by hand: %s", remote_id, error)  # noqa: TRY400 - its words say all

    def _refused(self, batch: Batch, loaded: Sequence[Loaded], error: IonQRefusedError) -> None:
        """One bad circuit must not fail the others: halves go on their own ways, until it is alone."""
        if len(loaded) == 1 or error.status not in _ONE_OF_THEM:
            self._settlement.fail(batch, error)
            return
        logger.warning("Batch %s is refused and goes on in halves: %s", batch.batch_id, error)
        for half in self._batches.split(batch) or ():
            self.group(half)

    def _report(self, batch: Batch, error: Exception) -> None:
        """Tell the breaker; where Redis does not answer the permit is forgotten in time."""
        with suppress(StoreUnavailableError):
            breaker = self._breakers.submit(batch.group.backend)
            breaker.report(Permit(batch.batch_id, batch.epoch), error)
