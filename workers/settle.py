"""Outcomes become finished Celery tasks, for everybody who waited.

Invariant: outcomes are in the ledger before the first job is finished, and the record goes only after the last.
A replica that dies in between leaves a settled record, and whoever claims it finishes every job again, the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from celery import Celery, Signature, states

from qstore.answer import from_answer, to_answer
from qstore.entries import Entries, Finish
from qstore.errors import QstoreError
from qstore.job import Batch, Job, Run
from qstore.outcome import Outcome
from qstore.result import Result, read
from qstore.state.claims import Claims
from qstore.state.ending import BankMovedError, Settled
from qstore.state.ledger import Ledger
from workers.announce import Announcer, Ended
from workers.endings import Endings, failed, recalled
from workers.failpoint import Reached
from workers.shown import shown

logger = logging.getLogger(__name__)


class Settlement:
    """Finishes batches.

    Args:
        app: Publishes the jobs that something waits for a second time.
        ledger: Batch records.
        endings: Say how runs end.
        claims: Keeps the answers of those jobs.
        entries: Celery's result backend.
        announcer: Tells Flower.
        woken_expires: Seconds to keep the answer of a job that is delivered again.
        clock: Epoch seconds.
        reached: Told at each named place of the way.
    """

    def __init__(
        self,
        app: Celery,
        ledger: Ledger,
        endings: Endings,
        claims: Claims,
        entries: Entries,
        announcer: Announcer,
        woken_expires: int,
        clock: Callable[[], float],
        reached: Reached,
    ) -> None:
        self._app = app
        self._ledger = ledger
        self._endings = endings
        self._claims = claims
        self._entries = entries
        self._announcer = announcer
        self._woken_expires = woken_expires
        self._clock = clock
        self._reached = reached

    def settle(self, batch: Batch, runs: Sequence[Run], outcomes: Sequence[Outcome | QstoreError]) -> None:
        """End a batch: one outcome, or error, for each of its runs.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        while True:
            try:
                settled = self._ledger.settle(batch, self._endings.of(runs, outcomes))
            except BankMovedError:
                continue  # somebody asked for more meanwhile
            self._settled(batch, settled)
            return

    def recall(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """End a batch that was never sent with what the archive knew of its runs.

        Raises:
            StaleError: That answers no longer for all who wait; nothing was done.
            StoreUnavailableError: Redis does not answer.
        """
        now = self._clock()
        self._settled(batch, self._ledger.settle(batch, [recalled(outcome, now) for outcome in outcomes]))

    def _settled(self, batch: Batch, settled: Sequence[Settled] | None) -> None:
        if settled is None:
            logger.warning("Batch %s is another replica's by now; its outcome is left to it", batch.batch_id)
            return
        self._finish(batch, settled)

    def fail(self, batch: Batch, error: QstoreError) -> None:
        """End a batch with one error for all of its runs.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        logger.error("Batch %s of %s failed: %s", batch.batch_id, len(batch.run_ids), error)
        self._settled(batch, self._ledger.settle(batch, [failed(error)] * len(batch.run_ids)))

    def resume(self, batch: Batch) -> None:
        """Finish what a replica that died left settled.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._finish(batch, self._ledger.unfinished(batch))

    def _finish(self, batch: Batch, settled: Sequence[Settled]) -> None:
        """Finish every job of a settled batch, tell Flower, and forget the record.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._reached("settle.settled")
        # an outcome of a batch that IonQ never got is the archive's
        archived = not batch.remote_id
        at = self._clock()
        answers = [pair for run in settled for pair in (_recalled(run, at) if archived else _answers(run))]
        plain = [(job, answer) for job, answer in answers if not job.wake]
        ends = [Finish(job.job_id, answer, job.parent_id, job.ignore_result) for job, answer in plain]
        announced = self._entries.finish(ends) if ends else []
        self._reached("settle.finished")
        for job, answer in answers:
            if job.wake:
                self._wake(job, answer)
        started = None if f'"{states.STARTED}"' in batch.told else batch.submitted_at or at
        self._announcer.ended(
            [
                Ended(
                    job,
                    answer if isinstance(answer, QstoreError) else shown(answer),
                    at,
                    known or job.delivered,
                    started,
                )
                for (job, answer), known in zip(plain, announced, strict=True)
            ]
        )
        self._reached("settle.announced")
        self._ledger.finished(batch)

    def _wake(self, job: Job, answer: Result | QstoreError) -> None:
        """Deliver a job again, so that Celery itself goes on with what waits for it."""
        self._claims.wake(job.job_id, to_answer(answer), self._woken_expires)
        # what Flower shows of the job stays as it is
        Signature.from_dict(job.wake, app=self._app).apply_async(argsrepr=job.summary, kwargsrepr="{}")


def _answers(settled: Settled) -> Iterator[tuple[Job, Result | QstoreError]]:
    """What each job of a run gets to see that was executed, or failed."""
    outcome = _outcome(settled)
    for position, job in enumerate(settled.jobs):
        if isinstance(outcome, QstoreError):
            yield job, outcome
        else:
            yield job, read(outcome, job, "executed" if position == 0 else "joined")


def _recalled(settled: Settled, now: float) -> Iterator[tuple[Job, Result | QstoreError]]:
    """What each job of a run gets to see that the archive answered, or that failed before it was sent."""
    outcome = _outcome(settled)
    for job in settled.jobs:
        if isinstance(outcome, QstoreError):
            yield job, outcome
        else:
            yield job, read(outcome, job, "archived", max(0.0, now - outcome.done))


def _outcome(settled: Settled) -> Outcome | QstoreError:
    try:
        return Outcome.from_fields(from_answer(settled.outcome))
    except QstoreError as error:
        return error
