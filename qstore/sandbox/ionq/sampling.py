"""Shots drawn from an exact distribution, as hardware or a noisy simulation would give them.

The noise is a simple stand-in: each gate fails with the model's probability, a shot with any failed gate
reads a uniformly random state, and every bit read out flips with the model's probability. Only the draw is
seeded; the same seed gives the same counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore.sandbox.ionq.backends import Noise
from qstore.sandbox.ionq.circuit import Circuit, Distribution


@dataclass(frozen=True, slots=True)
class Sample:
    """Drawn shots.

    Attributes:
        shots: The basis state of each shot, in the order drawn, shape `(shots,)`.
        states: The states seen, ascending, shape `(k,)`.
        counts: How often each was seen, shape `(k,)`.
    """

    shots: NDArray[np.int64]
    states: NDArray[np.int64]
    counts: NDArray[np.int64]


def draw(circuit: Circuit, distribution: Distribution, noise: Noise, shots: int, rng: np.random.Generator) -> Sample:
    """Draw shots of a circuit.

    Args:
        circuit: What was simulated; its gates and width say how much noise there is.
        distribution: Its exact distribution.
        noise: How gates and readout err.
        shots: How many to draw.
        rng: Where chance comes from.
    """
    single, double = circuit.gate_counts
    fidelity = (1 - noise.one_qubit) ** single * (1 - noise.two_qubit) ** double
    intact = int(rng.binomial(shots, fidelity))
    counts = rng.multinomial(intact, distribution.probabilities / distribution.probabilities.sum())
    drawn = np.concatenate(
        (
            np.repeat(distribution.states, counts),
            rng.integers(0, 1 << circuit.qubits, shots - intact, dtype=np.int64),
        )
    )
    rng.shuffle(drawn)
    flip(drawn, circuit.qubits, noise.readout, rng)
    states, counts = np.unique(drawn, return_counts=True)
    return Sample(drawn, states, counts)


def flip(outcomes: NDArray[np.int64], bits: int, probability: float, rng: np.random.Generator) -> None:
    """Flip each bit of each outcome with some probability, in place."""
    for bit in range(bits):
        outcomes ^= (rng.random(len(outcomes)) < probability).astype(np.int64) << bit
