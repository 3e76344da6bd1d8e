"""Shots drawn from a known distribution."""

from __future__ import annotations

import numpy as np
import pytest

from qstore.sandbox.ionq.backends import Noise
from qstore.sandbox.ionq.circuit import read_circuit
from qstore.sandbox.ionq.sampling import Sample, draw

FLIPPED = [{"gate": "x", "target": 0}, {"gate": "cnot", "control": 0, "target": 2}]


def sample(noise: Noise, shots: int = 4000, seed: int = 1, width: int = 3) -> Sample:
    circuit = read_circuit(None, FLIPPED, "qis", 5, width)
    return draw(circuit, circuit.distribution(lambda: None), noise, shots, np.random.default_rng(seed))


def test_without_noise_every_shot_is_an_outcome_of_the_circuit() -> None:
    found = sample(Noise(0, 0, 0))
    assert found.states.tolist() == [0b101]
    assert found.counts.tolist() == [4000]
    assert found.shots.tolist() == [0b101] * 4000


def test_a_gate_that_always_fails_leaves_uniform_chance_over_all_that_is_read_out() -> None:
    found = sample(Noise(0, 1, 0), width=4)
    assert found.states.tolist() == list(range(16))
    assert found.counts.max() < 2 * found.counts.min()


def test_readout_that_always_fails_inverts_every_bit() -> None:
    assert sample(Noise(0, 0, 1), width=4).states.tolist() == [0b1010]


def test_shots_and_counts_tell_the_same() -> None:
    found = sample(Noise(0.1, 0.1, 0.05))
    states, counts = np.unique(found.shots, return_counts=True)
    assert states.tolist() == found.states.tolist()
    assert counts.tolist() == found.counts.tolist()
    assert found.counts.sum() == 4000


def test_a_typical_error_rate_shows_at_its_rate() -> None:
    found = sample(Noise(0, 0, 0.1), shots=20_000)
    right = found.counts[found.states == 0b101][0] / 20_000
    assert right == pytest.approx(0.9**3, abs=0.02)


def test_a_seed_fixes_the_draw() -> None:
    noise = Noise(0.1, 0.1, 0.05)
    assert sample(noise, seed=1).shots.tolist() == sample(noise, seed=1).shots.tolist()
    assert sample(noise, seed=1).shots.tolist() != sample(noise, seed=2).shots.tolist()
