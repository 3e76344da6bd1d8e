"""`similar`: what else gave nearly the same outcome, and which circuits are built alike, of all that was executed.

Replicas ask the vector store, where the archive is. The invariant: what cannot be asked is refused before it is sent.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex, TypedDict
from uuid import UUID

from qstore.app import app
from qstore.calling import portable
from qstore.circuits.canonical import canonicalize
from qstore.circuits.codec import decode
from qstore.errors import InvalidJobError, InvalidOptionError, UnknownOptionError
from qstore.worker_task import WorkerTask

MAX_TOP_K = 1000
"""The most neighbors that can be asked for."""


class Neighbor(TypedDict):
    """An execution in the archive.

    Keys:
        fingerprint: sha256 of the circuit's canonical form.
        name: What the job that caused it was called.
        backend: IonQ's backend name.
        shots: Number of shots.
        executed_at: Epoch seconds when the outcome was read at IonQ.
        remote_id: IonQ's job id.
    """

    fingerprint: str
    name: str
    backend: str
    shots: int
    executed_at: float
    remote_id: str


class OutcomeNeighbor(Neighbor):
    """An execution that gave nearly the same.

    Keys:
        affinity: The Bhattacharyya coefficient of the two distributions over basis states: 1 where they are equal, 0
            where they have nothing in common.
    """

    affinity: float


class CircuitNeighbor(Neighbor):
    """The newest execution of a circuit that is built alike.

    Keys:
        similarity: Of the two circuits' gates and what stands next to them, from 0 to 1; see
            `workers.vectors.structure`. Angles count by their kind alone.
    """

    similarity: float


class Neighbors(TypedDict):
    """What is near, nearest first.

    Keys:
        outcomes: Executions with basis states of as many bits, by their outcomes; none where the circuit was not
            executed before.
        circuits: Other circuits by their structure, each once.
    """

    outcomes: list[OutcomeNeighbor]
    circuits: list[CircuitNeighbor]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        circuit: As `submit_circuit` takes it, where no job is asked about.
        job_id: The job, where one is asked about.
        top_k: How many neighbors of each kind.
    """

    circuit: object
    job_id: str | None
    top_k: int


def read_question(circuit: Any = None, top_k: Any = 5, *rest: Any, job_id: Any = None, **options: Any) -> Question:
    """Check the arguments of a call of `similar`, where they are described; the circuit itself is not read yet.

    Raises:
        InvalidJobError: There is neither a circuit nor a job, or both.
        InvalidOptionError: Another argument is impossible.
    """
    if rest or options:
        raise UnknownOptionError("similar takes a circuit or a job's id, top_k, and job_id by name, and nothing else.")
    if isinstance(top_k, bool) or not isinstance(top_k, SupportsIndex) or not 1 <= index(top_k) <= MAX_TOP_K:
        raise InvalidOptionError(f"top_k must be a whole number from 1 to {MAX_TOP_K:,}, not {top_k!r}.")
    if (circuit is None) == (job_id is None):
        raise InvalidJobError("similar needs a circuit or the id of a job, one of them: similar(circuit, top_k=5).")
    if isinstance(circuit, str) and _is_uuid(circuit):
        circuit, job_id = None, circuit
    if circuit is None and (not isinstance(job_id, str) or not job_id):
        raise InvalidOptionError(f"job_id must be a Celery task id, not {job_id!r}.")
    return Question(circuit, job_id, index(top_k))


class Similar(WorkerTask):
    """Find what is near a circuit, or the outcome of a job, among all that was archived; see `Neighbors`.

    Called directly it waits for the answer, `similar(circuit, top_k=5)`; `delay` and `apply_async` are Celery's own.

    Args:
        circuit: A `QuantumCircuit`, or OpenQASM 2 or 3 text; or the id of a job, if it is a UUID, as Celery's own are.
        top_k: How many neighbors of each kind, 1 to 1,000; 5 by default.
        job_id: The id of a job, whatever it looks like, in place of a circuit.

    Raises:
        InvalidJobError: The question makes no sense, or the circuit could not run; nothing was sent.
        NotArchivedError: The archive does not hold the job's outcome, or not yet.
        StoreUnavailableError: Redis does not answer.
        TransientError: The vector store cannot be asked now.
    """

    name = "qstore.similar"

    def message(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        """See `read_question`; a circuit is read as well."""
        asked = read_question(*args, **kwargs)
        if asked.job_id is None:
            canonicalize(decode(asked.circuit))
        named = {"circuit": portable(asked.circuit), "job_id": asked.job_id, "top_k": asked.top_k}
        return named, f"{asked.job_id or 'a circuit'} · top {asked.top_k}"


def _is_uuid(text: str) -> bool:
    with suppress(ValueError):
        return bool(UUID(text))
    return False


similar = app.register_task(Similar())
