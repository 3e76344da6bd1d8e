"""How far submitted jobs are: SUBMITTED, then STARTED, said in their entries and told to Flower.

Invariant: whoever joins later is told the same, and nobody who left or ended meanwhile is told anything.
"""

from __future__ import annotations

from collections.abc import Callable

from qstore.entries import Entries
from qstore.job import Batch
from qstore.state.ledger import Ledger
from workers.announce import Announcer
from workers.ionq import Document
from workers.pace import predicted

_RUNNING = "started"  # IonQ's word


class Progress:
    """Remembers what IonQ says of batches, and passes it on.

    Args:
        ledger: Batch records.
        entries: Celery's result backend.
        announcer: Tells Flower.
        clock: Epoch seconds.
    """

    def __init__(self, ledger: Ledger, entries: Entries, announcer: Announcer, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._entries = entries
        self._announcer = announcer
        self._clock = clock

    def submitted(self, batch: Batch, remote_id: str, pause: float) -> bool:
        """IonQ has the batch, whoever holds its lease.

        Args:
            batch: The batch, as taken.
            remote_id: IonQ's job id.
            pause: Seconds until the first look.

        Returns:
            False where the batch is no more: its circuits went back, and IonQ's job is nobody's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        # most have ended by the first look, so those who wait are told then; whoever joins meanwhile, at once
        told = self._entries.submitted(batch.batch_id, remote_id, self._clock(), None, running=False)
        return self._ledger.submitted(batch, remote_id, pause, told)

    def look_again(self, batch: Batch, pause: float, document: Document | None = None) -> None:
        """Look at a batch again later, and tell its jobs what is new; Flower hears of what is still there at a look.

        Args:
            batch: The batch.
            pause: Seconds.
            document: What IonQ says of its job; None where it said nothing.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        told, running = batch.told, False
        if document is not None:
            running = document.get("status") == _RUNNING
            told = self._entries.submitted(
                batch.batch_id, batch.remote_id, batch.submitted_at, predicted(document), running=running
            )
        jobs = self._ledger.postpone(batch, pause, told if told != batch.told or not batch.looks else "")
        if jobs:
            self._entries.tell(jobs, told)
            if running:
                self._announcer.started(jobs)
            else:
                self._announcer.submitted(jobs)
