"""What travels through the house: a Job is what was asked, a Run what is executed once, a Batch one IonQ job.

All are frozen and made of plain data, so each can stand in Redis as JSON and be read by any replica.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

TASK = "qstore.submit_circuit"
"""The name under which Celery knows jobs."""

Reuse = Literal["always", "never", "inflight", "bank"]
"""What may answer besides an execution of one's own: a stored result or a running one; nothing; a running one; or shots
that were banked, as far as they go."""

Level = Literal["exact", "commuting", "semantic"]
"""How far two circuits may differ in their gates and still be taken for the same: see `qstore.circuits.canonical`."""

LEVELS: tuple[Level, ...] = get_args(Level)

DEBIASING_SHOTS = 500
"""The fewest shots IonQ debiases."""

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def _fields(record: Any) -> dict[str, Any]:
    """The fields of a dataclass in order, shallow: `dataclasses.asdict` copies deeply, which shows on the hot path."""
    return {name: getattr(record, name) for name in record.__slots__}


@dataclass(frozen=True, slots=True)
class Options:
    """How a circuit is to be executed, validated.

    Attributes:
        shots: Number of shots, 1 to 1,000,000.
        backend: IonQ's backend name, such as `simulator` or `qpu.forte-1`.
        noise_model: The simulator's noise model; `ideal` elsewhere.
        debiasing: IonQ's error mitigation on or off; None leaves IonQ's default.
        optimization_level: Qiskit's, 0 to 3.
        seed: Of the draw of counts, and of a noisy simulation; None draws afresh.
        reuse: What may answer besides an execution of its own.
        max_age: Seconds; an older stored result does not answer. None for any that is stored.
        fingerprint_level: Which circuits count as the same; None takes the default of the service.
        memory: Whether the result lists every shot.
        name: What people call the job; None takes the circuit's own name.
    """

    shots: int = 1000
    backend: str = "simulator"
    noise_model: str = "ideal"
    debiasing: bool | None = None
    optimization_level: int = 1
    seed: int | None = None
    reuse: Reuse = "always"
    max_age: float | None = None
    fingerprint_level: Level | None = None
    memory: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Readout:
    """How one asker reads an outcome: which bit of a basis state shows in which clbit, and how clbits are grouped.

    Attributes:
        bits: For each clbit, in the circuit's order, the bit of the basis state it shows; None where
            nothing was ever written to it (it reads 0).
        registers: For each classical register, in the order it was added, the indices of its clbits, least
            significant first. Clbits outside any register form a last group.
    """

    bits: tuple[int | None, ...]
    registers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What one caller asked: a Celery task id waiting for counts.

    Attributes:
        job_id: The Celery task id.
        name: What people call it.
        summary: One readable line, shown as the task's arguments.
        readout: How this caller reads the outcome.
        memory: Whether this caller wants every shot.
        submitted_at: Epoch seconds.
        delivered: Whether a worker already holds the job as a Celery message, and has told Flower so.
        wake: The signature to publish when the outcome is known, where something waits on the job.
        root_id: Celery's root of the canvas.
        parent_id: Celery's parent in the canvas.
        task: What Flower shows as the task's name.
        ignore_result: Whether nothing is written to Celery's result backend.
        stamps: Stamped headers, by which jobs can be revoked.
        shots: How many it wants, where that is not what its run gives: of a bank.
    """

    job_id: str
    name: str
    summary: str
    readout: Readout
    memory: bool
    submitted_at: float
    delivered: bool = False
    wake: dict[str, Any] | None = None
    root_id: str | None = None
    parent_id: str | None = None
    task: str = TASK
    ignore_result: bool = False
    stamps: dict[str, Any] | None = None
    shots: int = 0

    def to_json(self) -> str:
        """Compact JSON, which begins with the id: scripts tell jobs apart by it."""
        readout = {"bits": self.readout.bits, "registers": self.readout.registers}
        return _COMPACT.encode({**_fields(self), "readout": readout})

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        readout = fields.pop("readout")
        return cls(
            readout=Readout(tuple(readout["bits"]), tuple(map(tuple, readout["registers"]))),
            **fields,
        )


def mark(job_id: str) -> str:
    """What the JSON of a job with this id begins with, and of no other."""
    return _COMPACT.encode({"job_id": job_id}).removesuffix("}") + ","


@dataclass(frozen=True, slots=True)
class Group:
    """What the circuits of one IonQ job must share. Its canonical JSON is its name in Redis and in the doorbell.

    Attributes:
        backend: IonQ's backend name.
        shots: Number of shots.
        noise_model: The simulator's noise model.
        noise_seed: Seed of a noisy simulation.
        debiasing: IonQ's error mitigation.
        solo: The run that must travel alone, by its id; empty where circuits share a job.
        half: Which half of a batch that IonQ refused, so that its circuits do not meet the others again.
    """

    backend: str
    shots: int
    noise_model: str = "ideal"
    noise_seed: int | None = None
    debiasing: bool | None = None
    solo: str = ""
    half: str = ""

    def to_json(self) -> str:
        """Canonical JSON: equal groups give equal text."""
        return _COMPACT.encode(_fields(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Group:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Run:
    """What is executed once, however many jobs wait for it.

    Attributes:
        run_id: sha256 over the fingerprint and everything that changes the outcome, in hex.
        fingerprint: sha256 of the circuit's canonical form, in hex.
        group: What its batch must share.
        format: `qis` for a gate list, `qasm3` for OpenQASM 3 text.
        wire: The circuit as IonQ reads it: a JSON array of gates, or a JSON string of OpenQASM 3.
        width: Bits of a basis state: qubits for `qis`, clbits for `qasm3`.
        qubits: Qubits of the circuit.
        name: What the first asker calls it.
        seed: Of the draw of counts; None draws afresh.
        bank: How many shots were banked when it was asked for, to which its own are added; None where it has no bank.
        optimization_level: Qiskit's, by which the circuit was compiled.
    """

    run_id: str
    fingerprint: str
    group: Group
    format: str
    wire: bytes
    width: int
    qubits: int
    name: str
    seed: int | None
    bank: int | None = None
    optimization_level: int = 1

    def to_fields(self) -> dict[str, str | bytes]:
        """The hash that holds the run in Redis."""
        head = {**_fields(self), "group": _fields(self.group)}
        wire = head.pop("wire")
        return {"head": _COMPACT.encode(head), "wire": wire}

    @classmethod
    def from_fields(cls, head: bytes, wire: bytes) -> Run:
        """The inverse of `to_fields`."""
        fields = json.loads(head)
        fields["group"] = Group(**fields["group"])
        return cls(wire=wire, **fields)


def is_ideal(where: Options | Group) -> bool:
    """Whether nothing errs there: on the simulator, without a noise model."""
    return where.backend == "simulator" and where.noise_model == "ideal"


@dataclass(frozen=True, slots=True)
class Batch:
    """One IonQ job, past, present or intended.

    Attributes:
        batch_id: Names the record; the nonce is its twin at IonQ.
        nonce: What IonQ's job carries in its name and metadata, by which it is found again.
        group: What its runs share.
        run_ids: In the order of the circuits in the request.
        state: `intent`, `submitted` or `settled`.
        lease: The due time this replica claimed the record with; whoever holds another is stale.
        remote_id: IonQ's job id, once known.
        created_at: Epoch seconds.
        submitted_at: Epoch seconds, once known.
        looks: How often IonQ was asked about it.
        epoch: Of the breaker's permit to send it.
        begun: Whether its request may be on the way.
        unwanted: Whether nobody waited for any of its runs when somebody last looked.
        told: What the entries of its jobs say, all but the id.
        calibration: Of the machine, by IonQ's id, when the batch was sent; empty where it was not known.
    """

    batch_id: str
    nonce: str
    group: Group
    run_ids: tuple[str, ...]
    state: str
    lease: str
    remote_id: str = ""
    created_at: float = 0.0
    submitted_at: float = 0.0
    looks: int = 0
    epoch: int = 0
    begun: bool = False
    unwanted: bool = False
    told: str = ""
    calibration: str = ""
