"""When to look at submitted batches, and when to stop: many in one request, then each is ended or looked at again.

Invariant: a batch ends with what IonQ says of its job, or by its timeout; never because IonQ could not be asked once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus

from qstore.errors import (
    IonQJobCanceledError,
    IonQJobFailedError,
    IonQRefusedError,
    JobTimeoutError,
    QstoreError,
    TransientError,
)
from qstore.job import Batch
from qstore.state.batches import Batches
from qstore.state.calibrations import Calibrations
from workers.errands import Errands
from workers.failpoint import Reached
from workers.ionq import Document, IonQ
from workers.outcomes import ENDED, Found, Outcomes, Pending
from workers.pace import Pace
from workers.progress import Progress
from workers.retry import Retry
from workers.settle import Settlement

logger = logging.getLogger(__name__)

_REREADS = 3  # of a result that makes no sense
_REMEMBERED = 1000  # batches whose rereads are counted

_MAYBE = "It may still run, and be billed."
_LATE = "takes too long"


class Collect:
    """Looks at submitted batches.

    Args:
        ionq: The session.
        batches: Reads the runs of a batch.
        progress: Puts looks off, and tells how far jobs are.
        settlement: Ends batches.
        retry: Puts back what was canceled for us, and is wanted again.
        errands: Fetch several results at a time.
        pace: Says when to look again, and when a job has taken too long.
        calibrations: Of machines.
        guard: Held around each request; it may refuse one by raising `BreakerOpen`.
        reached: Told at each named place.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        ionq: IonQ,
        batches: Batches,
        progress: Progress,
        settlement: Settlement,
        retry: Retry,
        errands: Errands,
        pace: Pace,
        calibrations: Calibrations,
        *,
        guard: Callable[[], AbstractContextManager[object]],
        reached: Reached,
        clock: Callable[[], float],
    ) -> None:
        self._ionq = ionq
        self._batches = batches
        self._progress = progress
        self._settlement = settlement
        self._retry = retry
        self._errands = errands
        self._pace = pace
        self._guard = guard
        self._reached = reached
        self._outcomes = Outcomes(ionq, calibrations, guard, clock)
        self._rereads: dict[str, int] = {}

    # -- looking --------------------------------------------------------------------------------------------

    def look(self, batches: Sequence[Batch]) -> None:
        """Look at batches in one request; each is then ended, or looked at again later, by an errand of its own.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        documents: dict[str, Document] = {}
        trouble: TransientError | None = None
        try:
            with self._guard():
                documents = self._ionq.jobs([batch.remote_id for batch in batches])
        except TransientError as error:
            logger.warning("%s batches could not be looked at: %s", len(batches), error)
            trouble = error
        except IonQRefusedError as error:
            logger.warning("%s batches are looked at one by one: %s", len(batches), error)
            for batch in batches:
                self._errands.run(self._look_alone, batch)
            return
        self._reached("collect.looked")
        for batch in batches:
            self._errands.run(self._one, batch, documents.get(batch.remote_id), trouble)

    def _look_alone(self, batch: Batch) -> None:
        """One job that IonQ does not like to be asked for must not hide the others."""
        document: Document | None = None
        trouble: TransientError | None = None
        try:
            with self._guard():
                document = self._ionq.job(batch.remote_id)
        except TransientError as error:
            logger.warning("Batch %s could not be looked at: %s", batch.batch_id, error)
            trouble = error
        except IonQRefusedError as error:
            logger.warning("IonQ says nothing of batch %s: %s", batch.batch_id, error)
        self._one(batch, document, trouble)

    def _one(self, batch: Batch, document: Document | None, trouble: TransientError | None) -> None:
        """Go on with a batch: by what IonQ says of its job, None for nothing, or by why it could not be asked."""
        if document is not None and document.get("status") in ENDED:
            if batch.unwanted and document["status"] == "canceled":
                # whoever asked for one of its circuits since then has not got it yet
                self._retry.return_unused(batch)
            else:
                self._end(batch, document)
        elif self._pace.late(batch):
            self._late(batch, trouble)
        elif batch.unwanted and self._batches.deserted(batch):
            refusal = trouble or self._cancel(batch.remote_id, "is wanted by nobody any more")
            self._again(batch, self._pace.pause(batch, trouble=refusal))
        else:
            self._progress.look_again(batch, self._pace.pause(batch, document, trouble), document)

    def _again(self, batch: Batch, pause: float) -> None:
        self._progress.look_again(batch, pause)

    # -- the end --------------------------------------------------------------------------------------------

    def _end(self, batch: Batch, document: Document, given_up: JobTimeoutError | None = None) -> None:
        """Settle a batch with what became of each of its circuits, or read again later what cannot be read now.

        Args:
            batch: The batch.
            document: Its job.
            given_up: What becomes of circuits that still run; None where the job has ended.
        """
        ended = document.get("status") in ENDED
        runs = [each.run for each in self._batches.load(batch, ended=ended)]
        failure = partial(self._failure, batch, given_up)
        try:
            found = self._outcomes.read(batch, runs, document, failure)
        except TransientError as error:
            if given_up is None:
                logger.warning("The result of batch %s could not be read: %s", batch.batch_id, error)
                self._again(batch, self._pace.pause(batch, None, error))
                return
            found = [given_up] * len(runs)
        pause = self._worth_waiting(batch, document, found) if given_up is None else None
        if pause is not None:
            self._again(batch, pause)
            return
        outcomes = [
            each
            if not isinstance(each, Pending)
            # under a job that did not complete, a child that still seems to run never ends
            else each.error or failure(each.document if document.get("status") == "completed" else document)
            for each in found
        ]
        self._reached("collect.read")
        if failed := [each for each in outcomes if isinstance(each, QstoreError)]:
            logger.error("Batch %s: %s of %s failed: %s", batch.batch_id, len(failed), len(outcomes), failed[0])
        self._settlement.settle(batch, runs, outcomes)
        self._rereads.pop(batch.batch_id, None)

    def _worth_waiting(self, batch: Batch, document: Document, found: Sequence[Found]) -> float | None:
        """Seconds until what is pending may have come; None where there is nothing to wait for any more."""
        pending = [each for each in found if isinstance(each, Pending)]
        running = [each.document for each in pending if each.error is None]
        if running and document.get("status") == "completed" and not self._pace.over(batch):
            for child in running if self._pace.late(batch) else ():
                self._cancel(child["id"], _LATE)
            return self._pace.pause(batch, running[0])
        rereads = self._rereads.get(batch.batch_id, 0)
        if rereads == _REREADS or not (unread := [each.error for each in pending if each.error is not None]):
            return None
        if len(self._rereads) == _REMEMBERED:
            self._rereads.clear()
        self._rereads[batch.batch_id] = rereads + 1
        logger.warning("Batch %s: %s circuits are read again later: %s", batch.batch_id, len(unread), unread[0])
        return self._pace.pause(batch)

    def _failure(self, batch: Batch, given_up: JobTimeoutError | None, document: Document) -> QstoreError:
        """What it means that a job, or a child, did not complete."""
        status = document.get("status")
        if status == "failed":
            failure = document.get("failure")
            said = failure if isinstance(failure, dict) else {"message": failure}
            return IonQJobFailedError(str(said.get("message") or "no reason given"), str(said.get("code") or ""))
        if status != "canceled":
            return given_up or self._timed_out(batch, f"part of it is still {status}, and may still run.")
        if self._pace.late(batch):
            return self._timed_out(batch, "it was canceled.")
        return IonQJobCanceledError(f"IonQ's job {document.get('id')} was canceled there.")

    # -- too late -------------------------------------------------------------------------------------------

    def _late(self, batch: Batch, trouble: TransientError | None) -> None:
        """Cancel a job that takes too long; at the next look it is canceled, or completed after all."""
        refusal = trouble or self._cancel(batch.remote_id, _LATE)
        over = self._pace.over(batch)
        if isinstance(refusal, TransientError):
            if over:
                self._give_up(batch, f"IonQ could not be asked to cancel it: {refusal}")
            else:
                self._again(batch, self._pace.pause(batch, trouble=refusal))
        elif refusal is not None or over:
            self._last_look(batch, refusal)
        else:
            self._again(batch, self._pace.pause(batch))

    def _last_look(self, batch: Batch, refusal: IonQRefusedError | None) -> None:
        """End a batch by its timeout, unless its job ended meanwhile."""
        try:
            with self._guard():
                document = self._ionq.job(batch.remote_id)
        except IonQRefusedError as error:
            unknown = error.status == HTTPStatus.NOT_FOUND
            self._give_up(batch, "IonQ does not know the job" if unknown else f"IonQ says nothing of it: {error}")
        except TransientError as error:
            if self._pace.over(batch):
                self._give_up(batch, f"IonQ could not be asked about it: {error}")
            else:
                self._again(batch, self._pace.pause(batch, trouble=error))
        else:
            if document.get("status") in ENDED:
                self._end(batch, document)
            elif refusal is not None:
                self._end(batch, document, self._timed_out(batch, f"IonQ would not cancel it: {refusal} {_MAYBE}"))
            else:
                said = f"canceled, it is {document.get('status')} still"
                self._end(batch, document, self._timed_out(batch, f"{said}. {_MAYBE}"))

    def _give_up(self, batch: Batch, why: str) -> None:
        self._settlement.fail(batch, self._timed_out(batch, f"{why}. {_MAYBE}"))
        self._rereads.pop(batch.batch_id, None)

    def _cancel(self, remote_id: str, why: str) -> TransientError | IonQRefusedError | None:
        """Have a job, or a child, canceled; return why it could not be."""
        try:
            with self._guard():
                self._ionq.cancel(remote_id)
        except (TransientError, IonQRefusedError) as error:
            logger.warning("IonQ's job %s %s and could not be canceled: %s", remote_id, why, error)
            return error
        logger.warning("IonQ's job %s %s and was canceled", remote_id, why)
        return None

    def _timed_out(self, batch: Batch, said: str) -> JobTimeoutError:
        seconds = self._pace.timeout(batch)
        return JobTimeoutError(f"IonQ's job {batch.remote_id} on {batch.group.backend} took over {seconds:g} s: {said}")
