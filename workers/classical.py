"""What a replica does with its vector store, put together: the second half of the composition root."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from celery import Celery

from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.job import Batch
from qstore.ranking import rank_vectors
from qstore.settings import Settings
from qstore.similarity import similar
from qstore.state.batches import Batches
from qstore.state.breaker import Breakers
from qstore.state.calibrations import Calibrations
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.outbox import Outbox
from qstore.vectors import upsert_vectors
from workers.archive import CIRCUITS, OUTCOMES, Archive
from workers.archivist import Archivist
from workers.intake import Intake
from workers.pool import Maintenance
from workers.ranking import Ranking
from workers.recall import Recall
from workers.retry import Retry
from workers.settle import Settlement
from workers.similar import Reader, Similar, result_of
from workers.vectors.sketch import DIMENSION
from workers.vectors.store import VectorStore

_GRACE = 10.0  # seconds for what is being archived
_UPKEEP = 30.0  # seconds between two looks after the store's pools


class Classical:
    """The vector store, and all that stands on it.

    Args:
        app: The Celery app, whose tasks are done here.
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
        app: Celery,
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

        self._maintenance = Maintenance(_UPKEEP)
        reader = Reader(Recognition(), Compiler(), settings.fingerprint_level)
        self._works = {
            similar: Similar(outcomes, circuits, guard, reader, partial(result_of, app)).answer,
            rank_vectors: Ranking(store, guard).rank,
            upsert_vectors: Intake(store, guard).upsert,
        }

    def start(self) -> None:
        """Begin to archive, and to do the tasks that need the store."""
        for task, work in self._works.items():
            task.work = work
        self._maintenance.watch(self.store)
        self.archivist.start()

    def close(self) -> None:
        """Finish what is in hand, and close the store."""
        for task in self._works:
            task.work = None
        self.archivist.stop(_GRACE)
        self._recall.close()
        self._maintenance.close()
        self.store.close()


def nothing_known(batch: Batch) -> Batch:
    """What is left of a batch where no archive is asked: all of it."""
    return batch
