"""One execution as the archive keeps it: what was run, how, what it gave and what it cost, in two records.

Invariant: ids are made of the content, so that writing an execution twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from qstore.job import Run
from qstore.outcome import Outcome
from qstore.state.outbox import Sent
from workers.vectors.sketch import sketch
from workers.vectors.store import Record
from workers.vectors.structure import embed_structure


@dataclass(frozen=True, slots=True)
class Execution:
    """A run that was executed, and its outcome.

    Attributes:
        execution_id: sha256 of all of it, in hex.
        run: What was executed.
        outcome: What it gave.
    """

    execution_id: str
    run: Run
    outcome: Outcome

    @classmethod
    def of(cls, sent: Sent) -> Execution:
        """From the outbox.

        Raises:
            ValueError, TypeError, KeyError: It is no execution.
        """
        digest = sha256()
        for part in (sent.head, sent.wire, sent.outcome):
            digest.update(b"%d " % len(part) + part)
        return cls(digest.hexdigest(), Run.from_fields(sent.head, sent.wire), Outcome.from_json(sent.outcome))

    def outcome_record(self) -> Record:
        """All of it, beside a sketch of the distribution it gave."""
        run, outcome = self.run, self.outcome
        return Record(
            self.execution_id,
            sketch(distribution(outcome), run.width),
            {
                **self._headline(),
                "run_id": run.run_id,
                "noise_model": run.group.noise_model,
                "run": asdict(replace(run, wire=b"")) | {"wire": None},
                "outcome": json.loads(outcome.to_json()),
                "circuit": run.wire.decode(),
            },
        )

    def circuit_record(self) -> Record:
        """Its circuit, beside an embedding of the circuit's structure: by run, so that the newest one is found."""
        run = self.run
        return Record(
            run.run_id,
            embed_structure(run.wire, run.format),
            {**self._headline(), "format": run.format, "execution_id": self.execution_id},
        )

    def _headline(self) -> dict[str, Any]:
        run, outcome = self.run, self.outcome
        return {
            "fingerprint": run.fingerprint,
            "name": run.name,
            "backend": outcome.backend,
            "shots": outcome.shots,
            "remote_id": outcome.remote_id,
            "qubits": run.qubits,
            "width": run.width,
            "executed_at": outcome.done,
        }


def outcome_of(record: Record) -> Outcome:
    """The outcome that a record of one holds.

    Raises:
        ValueError, TypeError, KeyError: It holds none.
    """
    return Outcome.from_fields(dict(record.payload["outcome"]))


def distribution(outcome: Outcome) -> Mapping[int, float]:
    """The exact distribution where it is known, else relative frequencies."""
    if outcome.probabilities is not None:
        return outcome.probabilities
    return {state: count / outcome.shots for state, count in outcome.states.items()}
