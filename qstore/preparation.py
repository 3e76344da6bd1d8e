"""What comes before anything is sent: a circuit is read and checked, and what its job asks for gets its name."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qstore.circuits.canonical import Canonical
from qstore.circuits.codec import decode
from qstore.circuits.compiler import Compiler, check_fit
from qstore.circuits.family import Family, Member
from qstore.circuits.recognition import Recognition
from qstore.circuits.targets import find_backend
from qstore.entries import Entries
from qstore.errors import UnsupportedCircuitError
from qstore.identity import level_of, run_id_of
from qstore.job import TASK, Job, Level, Options, is_ideal
from qstore.state.claims import Ask


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in Celery's words.

    Attributes:
        job_id: The Celery task id.
        delivered: Whether a worker already holds the job as a Celery message, and has told Flower so.
        wake: The signature to publish when the outcome is known, where something waits on the job.
        root_id: Celery's root of the canvas.
        parent_id: Celery's parent in the canvas.
        priority: Among the waiting circuits of a group, as Celery has it on Redis: 0, the default, goes first, 9 last.
        expires: Epoch seconds after which the job is dropped, unless its circuit is on the way to IonQ by then.
        ignore_result: Whether nothing is written to the result backend.
        stamps: Stamped headers, each with its value or values.
        shadow: What Flower shows as the task's name, instead of the task's own.
        argsrepr: What Flower shows as the task's arguments, instead of a line about the circuit.
    """

    job_id: str
    delivered: bool = False
    wake: dict[str, object] | None = None
    root_id: str | None = None
    parent_id: str | None = None
    priority: int = 0
    expires: float | None = None
    ignore_result: bool = False
    stamps: dict[str, object] | None = None
    shadow: str | None = None
    argsrepr: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can run: circuit and options are checked, nothing is sent yet.

    Attributes:
        ask: What it asks for.
        canonical: The circuit.
        options: How to execute it.
        wire: The compiled circuit, where it came with its family.
    """

    ask: Ask
    canonical: Canonical
    options: Options
    wire: bytes | None = None


class Preparation:
    """Checks jobs. Touches nothing outside this process.

    Args:
        recognition: Reads circuits.
        compiler: To IonQ's gates.
        entries: Celery's result backend.
        fingerprint_level: Which circuits count as the same, where the caller does not say.
        max_age: Seconds; an archived outcome must be younger, where the caller does not say.
    """

    def __init__(
        self,
        recognition: Recognition,
        compiler: Compiler,
        entries: Entries,
        fingerprint_level: Level = "commuting",
        max_age: float = 0.0,
    ) -> None:
        self._recognition = recognition
        self._compiler = compiler
        self._entries = entries
        self._fingerprint_level = fingerprint_level
        self._max_age = max_age

    def prepare(self, caller: Caller, circuit: object, options: Options) -> Prepared:
        """Check a job, and name what it asks for.

        Args:
            caller: Who asks.
            circuit: A `QuantumCircuit`, OpenQASM 2 or 3 text, or a circuit encoded for a message.
            options: How to execute it.

        Raises:
            InvalidJobError: The circuit cannot run as asked.
        """
        named = self._recognition.read(circuit, level_of(options, self._fingerprint_level))
        return self._prepared(caller, named.name, Member(named.canonical, None), options)

    def family(self, template: object, options: Options) -> Family:
        """Take a circuit with free parameters apart and compile it, for `prepare_member`.

        Args:
            template: As `prepare` takes a circuit.
            options: How to execute its members.

        Raises:
            InvalidJobError: No member could run as asked.
        """
        backend, level = find_backend(options.backend), level_of(options, self._fingerprint_level)
        family = Family(decode(template), self._compiler, backend, options.optimization_level, level)
        _check_readable(family.first, options)
        return family

    def prepare_member(self, caller: Caller, family: Family, values: object, options: Options) -> Prepared:
        """Check a job for a circuit of a family, as `prepare` does.

        Args:
            caller: Who asks.
            family: Made with the same options.
            values: Of its parameters.
            options: How to execute it.

        Raises:
            InvalidJobError: The circuit cannot run as asked.
        """
        return self._prepared(caller, str(family.template.name), family.member(values), options)

    def _prepared(self, caller: Caller, circuit_name: str, member: Member, options: Options) -> Prepared:
        canonical = member.canonical
        check_fit(canonical, find_backend(options.backend))
        _check_readable(canonical, options)
        name = options.name or circuit_name
        job = Job(
            job_id=caller.job_id,
            name=name,
            summary=caller.argsrepr or summarize(name, canonical.qubits, options.shots, canonical.fingerprint),
            readout=canonical.readout,
            memory=options.memory,
            submitted_at=time.time(),
            delivered=caller.delivered,
            wake=caller.wake,
            root_id=caller.root_id or caller.job_id,
            parent_id=caller.parent_id,
            task=caller.shadow or TASK,
            ignore_result=caller.ignore_result,
            stamps=caller.stamps,
            shots=options.shots if options.reuse == "bank" else 0,
        )
        ask = Ask(
            run_id_of(canonical, options, caller.job_id),
            job,
            self._entries.queued(caller.job_id, ignored=caller.ignore_result),
            caller.priority,
            caller.expires,
            options.backend,
            0.0 if options.reuse == "inflight" else options.max_age,
            archive_age=self._archive_age(options),
            wants=options.shots if options.reuse == "bank" else None,
        )
        return Prepared(ask, canonical, options, member.wire)

    def _archive_age(self, options: Options) -> float:
        """Seconds; what the archive knows is not the job's own sample, and of a bank it is only a part."""
        if options.reuse != "always":
            return 0.0
        return self._max_age if options.max_age is None else options.max_age


def _check_readable(canonical: Canonical, options: Options) -> None:
    """IonQ's ideal simulator tells of such a circuit only how often qubits showed what at the very end."""
    if canonical.format == "qasm3" and is_ideal(options):
        raise UnsupportedCircuitError(
            "The circuit measures or resets a qubit in the middle, and IonQ's ideal simulator keeps no shots of such "
            "circuits: run it with noise_model='aria-1' or on a machine, or measure at the end only."
        )


def summarize(name: str, qubits: int, shots: int, fingerprint: str) -> str:
    """One readable line for Flower, such as `bell · 2 qubits · 1000 shots · 3f9a…`."""
    return f"{name} · {_plural(qubits, 'qubit')} · {_plural(shots, 'shot')} · {fingerprint[:4]}…"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
