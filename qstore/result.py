"""What comes back: an Outcome is what one run gave, cached once; a Result is that outcome as one asker reads it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from qstore.circuits.counts import apportion, draw, memory, render
from qstore.job import Job, Run

Source = Literal["executed", "joined", "cached"]

MAX_PROBABILITIES = 4096
"""Outcomes with more basis states than this keep their counts only: a wide, flat distribution is megabytes."""


class Times(TypedDict):
    """Epoch seconds, by the clocks of producer (`asked`), Redis (`sent`) and worker (`done`)."""

    asked: float
    sent: float
    done: float


class Cost(TypedDict):
    """What IonQ billed for the IonQ job this circuit traveled in.

    `quantum_seconds` is this job's equal share of the billed quantum compute time, 0.0 for whoever joined or
    was answered from the cache, and null where IonQ does not say (as on the simulator).
    """

    quantum_seconds: float | None


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
        source: `executed`, `joined` (the same circuit was running already) or `cached`.
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
    remote_id: str
    seed: int
    times: Times
    cost: Cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave, over basis states, before anybody's register map.

    Attributes:
        states: Shots by basis state; bit i is qubit i (clbit i of a circuit that travels as OpenQASM 3).
        probabilities: By basis state; None above `MAX_PROBABILITIES`.
        shots: Number of shots.
        backend: IonQ's backend name.
        fingerprint: Of the circuit.
        remote_id: IonQ's job id.
        seed: Of the draw.
        sent: Epoch seconds when IonQ took it.
        done: Epoch seconds when the outcome was read.
        quantum_seconds: The run's share of the billed time; None where IonQ does not say.
    """

    states: Mapping[int, int]
    probabilities: Mapping[int, float] | None
    shots: int
    backend: str
    fingerprint: str
    remote_id: str
    seed: int
    sent: float
    done: float
    quantum_seconds: float | None

    def to_json(self) -> str:
        """Compact JSON, as the result cache holds it."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Outcome:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Outcome:
        """From decoded JSON, whose keys are texts."""
        probabilities = fields["probabilities"]
        return cls(
            **{
                **fields,
                "states": {int(state): count for state, count in fields["states"].items()},
                "probabilities": None
                if probabilities is None
                else {int(state): value for state, value in probabilities.items()},
            }
        )


def measure(
    run: Run,
    probabilities: Mapping[int, float],
    *,
    remote_id: str,
    sent: float,
    done: float,
    quantum_seconds: float | None,
) -> Outcome:
    """Turn a distribution over basis states into shots, once, for everybody who waits for the run.

    The ideal simulator answers with exact probabilities: one seeded multinomial draw makes shots of them. A
    machine and a noisy simulation answer with relative frequencies: largest remainder gives the shots back.

    Args:
        run: What was executed.
        probabilities: By basis state, adding up to 1.
        remote_id: IonQ's job id.
        sent: Epoch seconds.
        done: Epoch seconds.
        quantum_seconds: The run's share of the billed time.
    """
    group = run.group
    seed = run.seed if run.seed is not None else secrets.randbits(31)
    exact = group.backend == "simulator" and group.noise_model == "ideal" and run.format == "qis"
    return Outcome(
        states=draw(probabilities, group.shots, seed) if exact else apportion(probabilities, group.shots),
        probabilities=probabilities if len(probabilities) <= MAX_PROBABILITIES else None,
        shots=group.shots,
        backend=group.backend,
        fingerprint=run.fingerprint,
        remote_id=remote_id,
        seed=seed,
        sent=sent,
        done=done,
        quantum_seconds=quantum_seconds,
    )


def read(outcome: Outcome, job: Job, source: Source) -> Result:
    """The outcome as one asker reads it.

    Args:
        outcome: What the run gave.
        job: Who asked.
        source: How the asker came by it.
    """
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
        remote_id=outcome.remote_id,
        seed=outcome.seed,
        times=Times(asked=job.submitted_at, sent=outcome.sent, done=outcome.done),
        cost=Cost(quantum_seconds=outcome.quantum_seconds if source == "executed" else 0.0),
    )


def headline(result: Result) -> str:
    """A result in one line: how it was come by, and its most frequent counts."""
    most = sorted(result["counts"].items(), key=lambda item: -item[1])[:4]
    shown = ", ".join(f"{bits}: {count}" for bits, count in most)
    return f"{result['source']} · {shown}{' …' if len(result['counts']) > len(most) else ''}"
