"""The archive: what was paid for outlives Redis. Executions are written to a vector store, and found there again.

Invariant: an execution is written whole before its circuit points at it, and writing one again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from qstore.outcome import Outcome
from workers.execution import Execution, outcome_of
from workers.vectors.store import Collection

logger = logging.getLogger(__name__)

OUTCOMES, CIRCUITS = "outcomes", "circuits"
"""The collections: executions by the distributions they gave, and circuits by their structure."""


class Archive:
    """Writes and finds executions.

    Args:
        outcomes: Executions, by execution id.
        circuits: Circuits, by run id, each with the id of its newest execution.
        guard: Held around each call of the store; it may refuse one by raising `BreakerOpen`.
    """

    def __init__(
        self, outcomes: Collection, circuits: Collection, guard: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._outcomes = outcomes
        self._circuits = circuits
        self._guard = guard

    def write(self, executions: Sequence[Execution]) -> None:
        """Keep executions.

        Raises:
            TransientError: The store cannot be asked now; some may be written.
            VectorStoreRefusedError: It does not take one of them.
        """
        oldest_first = sorted(executions, key=lambda each: each.outcome.done)
        with self._guard():
            self._outcomes.upsert([each.outcome_record() for each in oldest_first])
            self._circuits.upsert([each.circuit_record() for each in oldest_first])

    def recall(self, run_ids: Sequence[str]) -> dict[str, Outcome]:
        """The newest outcomes of runs; those it does not know are left out.

        Raises:
            TransientError: The store cannot be asked now.
            VectorStoreRefusedError: It does not answer such questions.
        """
        with self._guard():
            circuits = self._circuits.fetch(run_ids)
            newest = {run_id: str(circuit.payload["execution_id"]) for run_id, circuit in circuits.items()}
            records = self._outcomes.fetch(list(newest.values())) if newest else {}
        return {run_id: outcome_of(records[newest[run_id]]) for run_id in newest if newest[run_id] in records}
