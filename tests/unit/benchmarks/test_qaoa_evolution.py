from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qaoa_evolution import EDGES, VERTICES, ansatz, evolve, mean_cut, on_grid


class Simulator:
    """Executes circuits exactly, and keeps them."""

    def __init__(self) -> None:
        self.calls: list[list[QuantumCircuit]] = []

    def __call__(self, circuits: Sequence[QuantumCircuit]) -> list[dict[str, float]]:
        self.calls.append(list(circuits))
        return [
            Statevector(circuit.remove_final_measurements(inplace=False)).probabilities_dict() for circuit in circuits
        ]

    @property
    def angles(self) -> list[tuple[float, ...]]:
        return [
            tuple(sorted({float(angle) for step in circuit.data for angle in step.operation.params}))
            for call in self.calls
            for circuit in call
        ]


def test_every_vertex_has_three_neighbors_and_the_largest_cut_takes_seven_edges() -> None:
    assert Counter(itertools.chain(*EDGES)) == dict.fromkeys(range(VERTICES), 3)
    assert max(mean_cut({format(sides, "06b"): 1.0}) for sides in range(2**VERTICES)) == 7


def test_the_mean_cut_weighs_sides_by_their_share() -> None:
    neighbors, strangers = "010001", "100010"  # vertices 0 and 4, and 1 and 5
    assert mean_cut({neighbors: 0.5, "000000": 0.5}) == 2
    assert mean_cut({strangers: 0.5, "000000": 0.5}) == 3


def test_without_a_turn_of_the_mixer_half_of_the_edges_are_cut() -> None:
    (distribution,) = Simulator()([ansatz([0.7, 0.0])])
    assert mean_cut(distribution) == pytest.approx(len(EDGES) / 2)


def test_angles_are_set_to_the_nearest_point_and_a_whole_turn_is_none() -> None:
    assert on_grid(np.array([0.1, 3.0, 6.2]), 4).tolist() == pytest.approx([0.0, math.pi, 0.0])


def test_an_evolution_asks_a_generation_at_a_time_for_angles_on_the_grid_and_comes_close_to_the_best() -> None:
    simulator = Simulator()
    best = evolve(simulator, layers=1, generations=8, seed=3, steps=32)
    assert len(simulator.calls) == best.generations + 1
    assert {len(call) for call in simulator.calls} == {2 * 15}
    steps = [angle * 32 / math.tau for angles in simulator.angles for angle in angles]
    assert steps == pytest.approx(np.round(steps).tolist())
    (found,) = simulator([ansatz(best.angles)])
    assert mean_cut(found) == pytest.approx(best.cut)
    grid = [step * math.tau / 32 for step in range(32)]
    every = simulator([ansatz([along, mixer]) for along in grid[:16] for mixer in grid[:16]])  # the rest mirrors these
    assert best.cut > 0.95 * max(map(mean_cut, every))
