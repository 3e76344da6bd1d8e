"""What comes back: an outcome as one asker reads it."""

from __future__ import annotations

from typing import Literal, TypedDict

from qstore.bank import withdraw
from qstore.circuits.counts import memory, render
from qstore.job import Job
from qstore.outcome import Outcome

Source = Literal["executed", "joined", "cached", "banked", "archived"]


class Part(TypedDict):
    """Shots that one execution contributed to a result of `reuse="bank"`.

    Keys:
        remote_id: IonQ's job id.
        shots: How many of its shots are in the result.
        executed_at: Epoch seconds when they were read at IonQ.
        seed: Of the draw of its counts.
    """

    remote_id: str
    shots: int
    executed_at: float
    seed: int


class Times(TypedDict):
    """Epoch seconds, by the clocks of producer (`asked`), Redis (`sent`) and worker (`done`)."""

    asked: float
    sent: float
    done: float


class Cost(TypedDict):
    """This circuit's equal share of what IonQ billed for the IonQ job it traveled in; 0.0 for whoever shared its run.

    `quantum_seconds` is of the quantum compute time, null where IonQ does not say (as on the simulator). `usd` is of
    what IonQ charged, in US dollars: 0.0 on the simulator, null where that could not be found out.
    """

    quantum_seconds: float | None
    usd: float | None


class Result(TypedDict):
    """What `submit_circuit(...).get()` returns: plain JSON.

    Keys:
        counts: Shots by bitstring, in the bit order and register spacing of the asker's circuit: highest clbit
            leftmost, last register leftmost, one space between registers. They add up to `shots`.
        probabilities: The distribution behind the counts, by the same bitstrings; null where it has more than
            4,096 basis states.
        memory: Every shot's bitstring in order, where `memory=True` was asked; else null.
        shots: Number of shots.
        backend: IonQ's backend name.
        name: What the job is called.
        fingerprint: sha256 of the circuit's canonical form.
        source: `executed`, `joined` (the same circuit was running already), `cached`, `banked` (all its shots were
            there), or `archived` (Redis did not know it any more, the archive did). Whoever joined, or was answered
            with what was stored, has the same sample as whoever caused the execution, not one more.
        executed_at: Epoch seconds when the outcome was read at IonQ; of several parts the oldest one's.
        age: Seconds since then, by the clock of Redis, when this answer was made; 0.0 where it was not stored.
        parts: The executions whose shots were merged, of `reuse="bank"`; else null.
        remote_id: IonQ's job id.
        seed: Seed of the draw of counts; the same seed draws the same counts.
        times: See `Times`.
        cost: See `Cost`.
    """

    counts: dict[str, int]
    probabilities: dict[str, float] | None
    memory: list[str] | None
    shots: int
    backend: str
    name: str
    fingerprint: str
    source: Source
    executed_at: float
    age: float
    parts: list[Part] | None
    remote_id: str
    seed: int
    times: Times
    cost: Cost


def read(outcome: Outcome, job: Job, source: Source, age: float = 0.0) -> Result:
    """The outcome as one asker reads it.

    Args:
        outcome: What the run gave.
        job: Who asked.
        source: How the asker came by it.
        age: Seconds it was stored by then.
    """
    if outcome.parts and job.shots < outcome.shots:
        outcome = withdraw(outcome, job.shots, job.job_id)
    shared = source != "executed"
    oldest = min([part.done for part in outcome.parts], default=outcome.done)
    counts = render(outcome.states, job.readout)
    return Result(
        counts=counts,
        probabilities=None if outcome.probabilities is None else render(outcome.probabilities, job.readout),
        memory=memory(counts, outcome.seed) if job.memory else None,
        shots=outcome.shots,
        backend=outcome.backend,
        name=job.name,
        fingerprint=outcome.fingerprint,
        source=source,
        executed_at=oldest,
        age=age + outcome.done - oldest,
        parts=[
            Part(remote_id=part.remote_id, shots=part.shots, executed_at=part.done, seed=part.seed)
            for part in outcome.parts
        ]
        or None,
        remote_id=outcome.remote_id,
        seed=outcome.seed,
        times=Times(asked=job.submitted_at, sent=outcome.sent, done=outcome.done),
        cost=Cost(
            quantum_seconds=0.0 if shared else outcome.quantum_seconds,
            usd=0.0 if shared else outcome.usd,
        ),
    )


def headline(result: Result) -> str:
    """A result in one line: how it was come by, and its most frequent counts."""
    most = sorted(result["counts"].items(), key=lambda item: -item[1])[:4]
    shown = ", ".join(f"{bits}: {count}" for bits, count in most)
    return f"{result['source']} · {shown}{' …' if len(result['counts']) > len(most) else ''}"
