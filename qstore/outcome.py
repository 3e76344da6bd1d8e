"""What one run gave: shots over basis states, before anybody's register map. It is what the result cache holds."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qstore.circuits.counts import apportion, draw
from qstore.job import Run, is_ideal

MAX_PROBABILITIES = 4096
"""Outcomes with more basis states than this keep their counts only: a wide, flat distribution is megabytes."""


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
        usd: The run's share of what IonQ charged, US dollars; None where that is not known.
        calibration: Of the machine, by IonQ's id, all the while IonQ had the run; None where that is not known.
        is_exact: Whether the probabilities are those the shots were drawn by, and not their frequencies.
        parts: The runs whose shots were merged, with as many of each as are in here; empty for one run.
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
    usd: float | None = None
    calibration: str | None = None
    is_exact: bool = False
    parts: tuple[Outcome, ...] = ()

    def to_json(self) -> str:
        """Compact JSON, as the result cache holds it."""
        return json.dumps(self._fields(), separators=(",", ":"))

    def _fields(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "parts": [part._fields() for part in self.parts]} if self.parts else fields

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
                "parts": tuple(map(cls.from_fields, fields.get("parts", ()))),
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
    usd: float | None = None,
    calibration: str | None = None,
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
        usd: The run's share of the charge, US dollars.
        calibration: Of the machine.
    """
    group = run.group
    seed = run.seed if run.seed is not None else secrets.randbits(31)
    exact = is_ideal(group) and run.format == "qis"
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
        usd=usd,
        calibration=calibration,
        is_exact=exact,
    )
