"""The producer pipeline: circuit → canonical form → look → compile → claim. Nothing is queued before all is checked."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qstore.circuits.canonical import Canonical, canonicalize
from qstore.circuits.codec import decode
from qstore.circuits.compiler import MAX_GATES, MAX_WIRE_BYTES, Compiler, check_fit
from qstore.circuits.targets import find_backend
from qstore.entries import Entries, Finish
from qstore.errors import InvalidJobError, JobIdTakenError, QueueFull, UnsupportedCircuitError
from qstore.job import TASK, Group, Job, Options, Run
from qstore.result import Outcome, Result, headline, read
from qstore.state.claims import Answer, Ask, Claims
from qstore.state.ledger import Hit

_ROOM = 0.05  # seconds between two looks for room


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
    """A job that can run: circuit and options are checked, nothing is sent yet."""

    ask: Ask
    canonical: Canonical
    options: Options


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a job at the door.

    Attributes:
        job_id: The Celery task id.
        result: The answer, where the cache knew it.
        full: The group to ring for, where a batch can leave at once.
        joined: Whether the same circuit was waiting or running already.
        error: Why it was not queued after all: the circuit does not compile, or as many jobs wait as may.
    """

    job_id: str
    result: Result | None = None
    full: Group | None = None
    joined: bool = False
    error: InvalidJobError | QueueFull | None = None


class Submission:
    """Takes jobs in.

    Args:
        claims: Result cache and running circuits.
        compiler: To IonQ's gates.
        entries: Celery's result backend.
        batch_size: Circuits in one IonQ job; bounds how heavy one may be.
        queue_timeout: Seconds to wait for room where as many jobs wait as may.
    """

    def __init__(
        self, claims: Claims, compiler: Compiler, entries: Entries, batch_size: int, queue_timeout: float = 0.0
    ) -> None:
        self._claims = claims
        self._compiler = compiler
        self._entries = entries
        self._batch_size = batch_size
        self._queue_timeout = queue_timeout

    def prepare(self, caller: Caller, circuit: object, options: Options) -> Prepared:
        """Check a job, and name what it asks for. Touches nothing outside this process.

        Args:
            caller: Who asks.
            circuit: A `QuantumCircuit`, OpenQASM 2 or 3 text, or a circuit encoded for a message.
            options: How to execute it.

        Raises:
            InvalidJobError: The circuit cannot run as asked.
        """
        asked = decode(circuit)
        canonical = canonicalize(asked)
        check_fit(canonical, find_backend(options.backend))
        _check_readable(canonical, options)
        name = options.name or str(asked.name)
        job = Job(
            job_id=caller.job_id,
            name=name,
            summary=caller.argsrepr or summarize(name, asked.num_qubits, options.shots, canonical.fingerprint),
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
        )
        ask = Ask(
            run_id_of(canonical, options, caller.job_id),
            job,
            self._entries.queued(caller.job_id, ignored=caller.ignore_result),
            caller.priority,
            caller.expires,
        )
        return Prepared(ask, canonical, options)

    def submit(self, jobs: Sequence[Prepared]) -> list[Submitted]:
        """Answer from the cache, join what is running, and queue the rest, in two Redis trips at most.

        Circuits that need compiling are looked for first, in a trip of their own; those that need none bring their
        run along and are claimed at once. A circuit that does not compile ends with its error, and is not queued; so
        does one for which there is no room within `queue_timeout`.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        deadline = time.monotonic() + self._queue_timeout
        runs = {index: run for index, job in enumerate(jobs) if (run := self._run_if_ready(job))}
        unready = [index for index in range(len(jobs)) if index not in runs]
        looked = self._ask([(jobs[index].ask, None) for index in unready], deadline)
        answers = {index: answer for index, answer in zip(unready, looked, strict=True) if answer.kind != "miss"}
        errors: dict[int, InvalidJobError] = {}
        for index in unready:
            if index not in answers:
                try:
                    runs[index] = self._compile(jobs[index])
                except InvalidJobError as error:
                    errors[index] = error
        claimed = self._ask([(jobs[index].ask, run) for index, run in runs.items()], deadline)
        answers |= zip(runs, claimed, strict=True)
        submitted = [self._submitted(job, answers.get(index), errors.get(index)) for index, job in enumerate(jobs)]
        self._finish_hits(jobs, submitted)
        return submitted

    def _ask(self, asks: Sequence[tuple[Ask, Run | None]], deadline: float) -> list[Answer]:
        """Ask, and again for those that find no room, until there is some or the deadline (monotonic seconds)."""
        answers = self._claims.ask(asks)
        while (full := [index for index, each in enumerate(answers) if each.kind == "full"]) and (
            left := deadline - time.monotonic()
        ) > 0:
            time.sleep(min(left, _ROOM))
            for index, answer in zip(full, self._claims.ask([asks[index] for index in full]), strict=True):
                answers[index] = answer
        return answers

    def mark_queued(self, job: Prepared) -> None:
        """Say that a job waits which travels to a worker first, as a Celery message.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._entries.write_queued(job.ask.entry)

    def _run_if_ready(self, job: Prepared) -> Run | None:
        options = job.options
        wire = self._compiler.ready(job.canonical, find_backend(options.backend), options.optimization_level)
        return None if wire is None else self._run(job, wire)

    def _compile(self, job: Prepared) -> Run:
        options = job.options
        wire = self._compiler.compile(job.canonical, find_backend(options.backend), options.optimization_level)
        return self._run(job, wire)

    def _run(self, job: Prepared, wire: bytes) -> Run:
        canonical, options, ask = job.canonical, job.options, job.ask
        return Run(
            run_id=ask.run_id,
            fingerprint=canonical.fingerprint,
            group=Group(
                backend=options.backend,
                shots=options.shots,
                noise_model=options.noise_model,
                noise_seed=options.seed if options.noise_model != "ideal" else None,
                debiasing=options.debiasing,
                solo=ask.run_id if canonical.format == "qasm3" or self._is_heavy(wire) else "",
            ),
            format=canonical.format,
            wire=wire,
            width=canonical.width,
            qubits=canonical.qubits,
            name=ask.job.name,
            seed=options.seed,
        )

    def _is_heavy(self, wire: bytes) -> bool:
        """Whether a full batch of such circuits could pass IonQ's limits for one job."""
        size = self._batch_size
        return len(wire) * size > MAX_WIRE_BYTES or wire.count(b'"gate"') * size > MAX_GATES

    def _submitted(self, job: Prepared, answer: Answer | None, error: InvalidJobError | None) -> Submitted:
        job_id = job.ask.job.job_id
        if answer is None:
            return Submitted(job_id, error=error)
        if answer.kind == "full":
            return Submitted(
                job_id, error=QueueFull("As many jobs wait as may: try later, or raise QSTORE_MAX_QUEUED_JOBS.")
            )
        if answer.kind == "taken":
            return Submitted(
                job_id,
                error=JobIdTakenError(
                    f"A job {job_id} waits already, for another circuit or with other options: give this one an id of "
                    "its own, or none."
                ),
            )
        if answer.kind == "hit":
            return Submitted(job_id, result=read(Outcome.from_json(answer.outcome), job.ask.job, "cached"))
        return Submitted(job_id, full=answer.full, joined=answer.kind == "joined")

    def _finish_hits(self, jobs: Sequence[Prepared], submitted: Sequence[Submitted]) -> None:
        """Finish what the cache answered; a delivered job is finished by the worker that holds it."""
        hits = [
            (job.ask.job, answer.result)
            for job, answer in zip(jobs, submitted, strict=True)
            if answer.result is not None and not job.ask.job.delivered
        ]
        if hits:
            self._entries.finish(
                [Finish(job.job_id, result, job.parent_id, job.ignore_result) for job, result in hits],
                [Hit(job, headline(result)).to_json() for job, result in hits],
            )


def _check_readable(canonical: Canonical, options: Options) -> None:
    """IonQ's ideal simulator tells of such a circuit only how often qubits showed what at the very end."""
    if canonical.format == "qasm3" and options.backend == "simulator" and options.noise_model == "ideal":
        raise UnsupportedCircuitError(
            "The circuit measures or resets a qubit in the middle, and IonQ's ideal simulator keeps no shots of such "
            "circuits: run it with noise_model='aria-1' or on a machine, or measure at the end only."
        )


def run_id_of(canonical: Canonical, options: Options, job_id: str) -> str:
    """sha256 over everything that changes the outcome; two jobs with the same one share an execution.

    With `reuse=False` it is the job's own, so that no other's execution answers it, and yet the same where the same
    job is delivered twice.
    """
    key = [
        canonical.fingerprint,
        options.backend,
        options.noise_model,
        options.debiasing,
        options.optimization_level,
        options.shots,
        options.seed,
        None if options.reuse else job_id,
    ]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def summarize(name: str, qubits: int, shots: int, fingerprint: str) -> str:
    """One readable line for Flower, such as `bell · 2 qubits · 1000 shots · 3f9a…`."""
    return f"{name} · {_plural(qubits, 'qubit')} · {_plural(shots, 'shot')} · {fingerprint[:4]}…"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
