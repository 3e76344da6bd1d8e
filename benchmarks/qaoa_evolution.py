"""QAOA for the maximum cut, its angles found by differential evolution: every generation is executed in one go.

The graph is two triangles and an edge from each vertex to one of the other: every vertex has three neighbors, and the
largest cut takes 7 of the 9 edges. The settings of differential evolution are SciPy's own defaults, without the final
polish: 15 members for each angle, best1bin, recombination 0.7, a mutation drawn anew from 0.5 to 1 in each generation.

Differential evolution draws its angles from a continuum, and asks for the same ones twice only where two members of a
generation happen to draw the same two others to differ by. Where angles are set on a grid, as control electronics do, a
population that closes in on an optimum asks for the same grid points again, and the coarser the grid the more often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from scipy.optimize import differential_evolution

Array = NDArray[np.float64]
Execute = Callable[[Sequence[QuantumCircuit]], Sequence[Mapping[str, float]]]
"""Circuits to their distributions, by bitstring."""

VERTICES = 6
EDGES = ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 4), (1, 3), (2, 5))

_DIGITS = 9  # of a mean cut: the last bits depend on how a circuit was compiled, and must not choose the path


@dataclass(frozen=True, slots=True)
class Best:
    """What an optimization found.

    Attributes:
        cut: Edges cut on average.
        angles: Of `ansatz`, radians.
        generations: After the first population.
    """

    cut: float
    angles: tuple[float, ...]
    generations: int


def ansatz(angles: Sequence[float]) -> QuantumCircuit:
    """The QAOA circuit.

    Args:
        angles: Radians; for each layer that of the gates along the edges, then that of the mixer.
    """
    circuit = QuantumCircuit(VERTICES, name="qaoa")
    circuit.h(range(VERTICES))
    for along, mixer in zip(angles[::2], angles[1::2], strict=True):
        for one, other in EDGES:
            circuit.rzz(along, one, other)
        circuit.rx(mixer, range(VERTICES))
    circuit.measure_all()
    return circuit


def mean_cut(distribution: Mapping[str, float]) -> float:
    """Edges cut on average.

    Args:
        distribution: By bitstring, vertex 0 rightmost.
    """
    return sum(share * _cut(bits[::-1]) for bits, share in distribution.items())


def _cut(sides: str) -> int:
    return sum(sides[one] != sides[other] for one, other in EDGES)


def on_grid(angles: Array, steps: int) -> Array:
    """The nearest angles on a grid of so many steps a turn, radians."""
    grid: Array = np.round(angles * steps / math.tau) % steps * math.tau / steps
    return grid


def evolve(execute: Execute, *, layers: int, generations: int, seed: int, steps: int | None = None) -> Best:
    """Find angles of a large mean cut.

    Args:
        execute: Is given one generation at a time.
        layers: Of the ansatz.
        generations: At most; it ends earlier where the population has converged.
        seed: Of the evolution.
        steps: Of the grid of angles, a turn; None for angles as they are drawn.
    """

    def negative_cuts(members: Array) -> Array:
        """The columns are the members, as SciPy hands them over."""
        angles = members.T if steps is None else on_grid(members.T, steps)
        found = execute([ansatz(each) for each in angles.tolist()])
        return np.array([-round(mean_cut(distribution), _DIGITS) for distribution in found])

    best = differential_evolution(
        negative_cuts,
        [(0.0, math.tau)] * (2 * layers),
        maxiter=generations,
        rng=seed,
        updating="deferred",
        vectorized=True,
        polish=False,
    )
    angles = best.x if steps is None else on_grid(best.x, steps)
    return Best(float(-best.fun), tuple(angles.tolist()), best.nit)
