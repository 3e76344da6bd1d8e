"""Answers `rank_vectors`: candidates from the vector store, and a circuit for each that goes through the queue.

Invariant: no worker slot waits for circuits. The query's task replaces itself by a chord, which ends under its id.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from celery import chord

from qstore.circuits.fidelity import fidelity_circuit
from qstore.errors import InvalidVectorError
from qstore.ranking import Candidate, Query, RankedVectors, put_in_order, rank_candidates, rank_vectors, read_query
from qstore.tasks import submit_circuit
from qstore.worker_task import shown
from workers.vectors.store import Match, VectorStore


class Ranking:
    """Ranks vectors.

    Args:
        store: Where candidates come from.
        guard: Held around each call of the store; it may refuse one by raising `BreakerOpen`.
    """

    def __init__(self, store: VectorStore, guard: Callable[[], AbstractContextManager[object]]) -> None:
        self._store = store
        self._guard = guard

    def rank(self, *args: Any, **kwargs: Any) -> RankedVectors:
        """Do what `rank_vectors` was asked, as the task that is running: it ends when the circuits have.

        Args:
            args: As the task takes them.
            kwargs: As the task takes them.

        Returns:
            The answer, where no candidate was found.

        Raises:
            celery.exceptions.Ignore: Circuits are on their way, and the answer comes from them.
            InvalidJobError: The arguments make no sense, or do not fit the collection.
            VectorStoreRefusedError: There is no such collection.
            TransientError: The store does not answer.
        """
        query = read_query(*args, **kwargs)
        matches = self._candidates(query)
        if not matches:
            return put_in_order([], [], query.top_k, query.method)
        candidates = [
            Candidate(id=match.record.id, similarity=float(match.score), payload=dict(match.record.payload))
            for match in matches
        ]
        priority = (rank_vectors.request.delivery_info or {}).get("priority")
        circuits = [
            submit_circuit.si(
                fidelity_circuit(query.vector, match.record.vector, query.method, query.scale), **query.options
            ).set(priority=priority)
            for match in matches
        ]
        # candidates come to the end as a member of their own: each message of a chord carries all arguments of its body
        known = rank_vectors.app.tasks["celery.accumulate"].si(candidates, index=0)
        end = rank_candidates.s(query.top_k, query.method).set(shadow=rank_vectors.name, **shown(query.summary))
        with submit_circuit.together():
            answer: RankedVectors = rank_vectors.replace(chord([known, *circuits], end))
        return answer

    def _candidates(self, query: Query) -> list[Match]:
        with self._guard():
            collection = self._store.existing(query.collection)
        if len(query.vector) != collection.dimension:
            raise InvalidVectorError(
                f"The vectors of {query.collection!r} have {collection.dimension} components, and this one has "
                f"{len(query.vector)}."
            )
        with self._guard():
            return collection.query(query.vector, query.candidates, query.filter)
