"""What a replica does with its vector store, put together: the second half of the composition root."""

from __future__ import annotations

import time
from collections.abc import Callable

from qstore.job import Batch
from qstore.settings import Settings
from qstore.state.batches import Batches
from qstore.state.breaker import Breakers
from qstore.state.calibrations import Calibrations
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.outbox import Outbox
from workers.archive import CIRCUITS, OUTCOMES, Archive
from workers.archivist import Archivist
from workers.recall import Recall
from workers.retry import Retry
from workers.settle import Settlement
from workers.vectors.sketch import DIMENSION
from workers.vectors.store import VectorStore

_GRACE = 10.0  # seconds for what is being archived


class Classical:
    """The vector store, and all that stands on it.

    Args:
        store: The store; closed with this.
        settings: All of them.
        hostname: This worker's, as Celery names it.
        connection: To Redis.
        keys: Key names.
        breakers: The store's is among them.
        batches: Parts what the archive answers from its batch.
        calibrations: Of machines.
        settlement: Finishes what the archive answers.
        retry: Puts back what it does not, after all.
    """

    def __init__(
        self,
        store: VectorStore,
        settings: Settings,
        hostname: str,
        connection: Connection,
        keys: Keys,
        breakers: Breakers,
        batches: Batches,
        calibrations: Calibrations,
        settlement: Settlement,
        retry: Retry,
    ) -> None:
        self.store = store
        guard = breakers.store(store.name).guard
        outcomes, circuits = store.collection(OUTCOMES, DIMENSION), store.collection(CIRCUITS, DIMENSION)
        archive = Archive(outcomes, circuits, guard)
        self.archivist = Archivist(Outbox(connection, keys, hostname, settings.lease), archive)
        self._recall = Recall(
            archive,
            batches,
            calibrations,
            settlement,
            retry,
            patience=settings.archive_patience,
            clock=time.time,
        )
        self.recall: Callable[[Batch], Batch | None] = (
            self._recall.answer if settings.archive_patience > 0 else nothing_known
        )

    def start(self) -> None:
        """Begin to archive."""
        self.archivist.start()

    def close(self) -> None:
        """Finish what is in hand, and close the store."""
        self.archivist.stop(_GRACE)
        self._recall.close()
        self.store.close()


def nothing_known(batch: Batch) -> Batch:
    """What is left of a batch where no archive is asked: all of it."""
    return batch
