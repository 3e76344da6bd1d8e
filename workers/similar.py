"""Finds what is near in the archive: outcomes by their distributions, circuits by their structure.

Invariant: the store's index proposes and exact numbers decide: outcomes are ranked by their distributions themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from celery import Celery, states
from numpy.typing import ArrayLike

from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.circuits.targets import BACKENDS
from qstore.errors import NotArchivedError
from qstore.job import Level
from qstore.result import Result
from qstore.similarity import CircuitNeighbor, Neighbor, Neighbors, OutcomeNeighbor, read_question
from qstore.state.connection import translated
from workers.execution import distribution, outcome_of
from workers.vectors.accept import TOP_K
from workers.vectors.sketch import affinity, sketch
from workers.vectors.store import Collection, Filter, Match, Record, Vector
from workers.vectors.structure import embed_structure

_CANDIDATES = 8  # times as many as asked for: sketches err, and among so many nearly all of the nearest are
_RUNS = 4  # times as many at first, and again each time that too many are of one circuit

_WIDEST = max(BACKENDS.values(), key=lambda backend: backend.qubits)
_LEVEL = 1  # of optimization: the default, and IonQ's advice


@dataclass(frozen=True, slots=True)
class Compiled:
    """A circuit to compare with.

    Attributes:
        fingerprint: sha256 of its canonical form.
        wire: As IonQ reads it.
        format: `qis` or `qasm3`.
    """

    fingerprint: str
    wire: bytes
    format: str


class Reader:
    """Reads and compiles circuits as jobs are, for any backend: gates are the same on all of them.

    Args:
        recognition: Reads circuits.
        compiler: To IonQ's gates.
        level: Which circuits count as the same.
    """

    def __init__(self, recognition: Recognition, compiler: Compiler, level: Level) -> None:
        self._recognition = recognition
        self._compiler = compiler
        self._level = level

    def __call__(self, circuit: object) -> Compiled:
        """The circuit, compiled.

        Raises:
            InvalidJobError: It could not run.
        """
        canonical = self._recognition.read(circuit, self._level).canonical
        wire = self._compiler.compile(canonical, _WIDEST, _LEVEL)
        return Compiled(canonical.fingerprint, wire, canonical.format)


def result_of(app: Celery, job_id: str) -> Result:
    """What a job gave.

    Raises:
        NotArchivedError: It gave nothing, or nobody knows.
        StoreUnavailableError: Redis does not answer.
    """
    with translated():
        meta = app.backend.get_task_meta(job_id)
    result: Result = meta.get("result")
    if meta["status"] == states.SUCCESS and isinstance(result, dict) and result.keys() >= {"fingerprint", "remote_id"}:
        return result
    state = "not known, or not any more" if meta["status"] == states.PENDING else f"in state {meta['status']}"
    raise NotArchivedError(f"Job {job_id!r} has no counts to compare: it is {state}.")


class Similar:
    """Answers `qstore.similar`.

    Args:
        outcomes: Of the archive, executions by their distributions.
        circuits: Of the archive, circuits by their structure.
        guard: Held around each call of the store; it may refuse one by raising `BreakerOpen`.
        read: Compiles a circuit, see `Reader`.
        result_of: What a job gave, by its id, see `result_of`.
    """

    def __init__(
        self,
        outcomes: Collection,
        circuits: Collection,
        guard: Callable[[], AbstractContextManager[object]],
        read: Callable[[object], Compiled],
        result_of: Callable[[str], Result],
    ) -> None:
        self._outcomes = outcomes
        self._circuits = circuits
        self._guard = guard
        self._read = read
        self._result_of = result_of

    def answer(self, *args: Any, **kwargs: Any) -> Neighbors:
        """What is near; see `qstore.similarity.Similar` for arguments and answer.

        Raises:
            InvalidJobError: The question makes no sense, or the circuit could not run.
            NotArchivedError: The archive does not hold the job's outcome, or not yet.
            StoreUnavailableError: Redis does not answer.
            TransientError: The vector store cannot be asked now.
            VectorStoreRefusedError: It does not answer such questions.
        """
        asked = read_question(*args, **kwargs)
        execution = None if asked.job_id is None else self._execution_of(asked.job_id)
        compiled = self._read(asked.circuit) if execution is None else _compiled(execution)
        structure = embed_structure(compiled.wire, compiled.format)
        if execution is None:
            execution = self._newest(compiled.fingerprint, structure)
        return Neighbors(
            outcomes=[] if execution is None else self._near_outcome(execution, asked.top_k),
            circuits=self._near_circuit(structure, compiled.fingerprint, asked.top_k),
        )

    def _execution_of(self, job_id: str) -> Record:
        """The execution that gave a job its counts."""
        result = self._result_of(job_id)
        same = {"fingerprint": result["fingerprint"], "remote_id": result["remote_id"]}
        matches = self._query(self._outcomes, _as_read(result), TOP_K, same)
        if not matches:
            raise NotArchivedError(f"The outcome of job {job_id!r} is not in the archive, or not yet.")
        # one IonQ job may hold the circuit more than once: whose shots they were shows in the seed of their draw
        best = max(matches, key=lambda match: match.record.payload["outcome"]["seed"] == result["seed"])
        return best.record

    def _newest(self, fingerprint: str, structure: Vector) -> Record | None:
        """The newest execution of a circuit; None where there is none."""
        runs = self._query(self._circuits, structure, TOP_K, {"fingerprint": fingerprint})
        if not runs:
            return None
        newest = str(max(runs, key=_executed_at).record.payload["execution_id"])
        return self._executions([newest]).get(newest)

    def _near_outcome(self, execution: Record, top_k: int) -> list[OutcomeNeighbor]:
        width = {"width": execution.payload["width"]}
        candidates = self._query(self._outcomes, execution.vector, min(_CANDIDATES * top_k + 1, TOP_K), width)
        given = distribution(outcome_of(execution))
        near = [
            OutcomeNeighbor(**_neighbor(record), affinity=affinity(given, distribution(outcome_of(record))))
            for record in (match.record for match in candidates)
            if record.id != execution.id
        ]
        return sorted(near, key=lambda each: (-each["affinity"], -each["executed_at"]))[:top_k]

    def _near_circuit(self, structure: Vector, fingerprint: str, top_k: int) -> list[CircuitNeighbor]:
        return [
            # the store may round, and a sketch may err, past either end
            CircuitNeighbor(**_neighbor(match.record), similarity=min(max(match.score, 0.0), 1.0))
            for match in self._distinct(structure, fingerprint, top_k)
        ]

    def _distinct(self, structure: Vector, fingerprint: str, top_k: int) -> list[Match]:
        """The nearest runs, one of each circuit, the newest of those that are as near; none of the circuit itself."""
        wanted = top_k
        while True:
            wanted = min(_RUNS * wanted, TOP_K)
            matches = self._query(self._circuits, structure, wanted)
            one_each: dict[str, Match] = {}
            for match in sorted(matches, key=lambda each: (-each.score, -_executed_at(each))):
                one_each.setdefault(match.record.payload["fingerprint"], match)
            one_each.pop(fingerprint, None)
            if len(one_each) >= top_k or len(matches) < wanted or wanted == TOP_K:
                return list(one_each.values())[:top_k]

    def _query(
        self,
        collection: Collection,
        vector: ArrayLike,
        top_k: int,
        filter: Filter | None = None,  # noqa: A002 - the protocol's word
    ) -> list[Match]:
        with self._guard():
            return collection.query(vector, top_k, filter)

    def _executions(self, ids: Sequence[str]) -> dict[str, Record]:
        if not ids:
            return {}
        with self._guard():
            return self._outcomes.fetch(ids)


def _as_read(result: Result) -> Vector:
    """Where to look for an outcome: exactly where it is, if its asker read all qubits in order; else as good as any."""
    shares = result["probabilities"] or result["counts"]
    states = {bits.replace(" ", ""): value for bits, value in shares.items()}
    return sketch({int(bits, 2): value for bits, value in states.items()}, max(map(len, states)))


def _compiled(execution: Record) -> Compiled:
    known = execution.payload
    return Compiled(known["fingerprint"], known["circuit"].encode(), known["run"]["format"])


def _executed_at(match: Match) -> float:
    return float(match.record.payload["executed_at"])


def _neighbor(record: Record) -> Neighbor:
    known: Any = record.payload
    return Neighbor(
        fingerprint=known["fingerprint"],
        name=known["name"],
        backend=known["backend"],
        shots=known["shots"],
        executed_at=known["executed_at"],
        remote_id=known["remote_id"],
    )
