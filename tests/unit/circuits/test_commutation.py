"""What is said to commute, against the matrices: every pair of gates, on every choice of shared wires."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from qiskit.circuit import Gate
from qiskit.circuit.library import MCPhaseGate, MCXGate, get_standard_gate_name_mapping

from exact import evolve, matrix
from qstore.circuits.flat import Step
from qstore.circuits.layers import Layers, Letter
from qstore.circuits.normal_form import _letters
from qstore.circuits.targets import find_backend, target

WIRES = 4
ANGLES = (0.7, 1.1, 0.0, *[quarters * math.pi / 2 for quarters in (-2, -1, 1, 2, 4, 6, 8)])
SOME_ANGLES = (0.3, 0.5, 0.7, 0.9)  # of gates that have more than one


class Placed(NamedTuple):
    """A gate on some of the wires."""

    letter: Letter
    everywhere: Any  # its matrix, on all wires


def gates() -> Iterator[tuple[str, Gate]]:
    """Every kind Qiskit calls standard, at angles where something happens and at others."""
    for name, gate in get_standard_gate_name_mapping().items():
        angles = len(gate.params)
        if isinstance(gate, Gate) and gate.num_qubits:
            special = [(angle,) + (0.0,) * (angles - 1) for angle in (math.pi, 2 * math.pi)]
            choices = itertools.product(ANGLES, repeat=angles) if angles < 2 else [SOME_ANGLES[:angles], *special]
            for choice in choices:
                yield name, gate.base_class(*choice)
    yield from (("mcphase", MCPhaseGate(angle, 2)) for angle in ANGLES)
    yield from (("mcphase", MCPhaseGate(0.7, 3)), ("mcx", MCXGate(3)))


@pytest.fixture(scope="module")
def placed() -> list[Placed]:
    """Every gate on every choice of wires."""
    found = []
    for name, gate in gates():
        for wires in itertools.permutations(range(WIRES), gate.num_qubits):
            angles = tuple(map(float, gate.params))
            (letter,) = _letters([Step(name, wires, (), angles)], WIRES)
            found.append(Placed(letter, evolve(np.eye(2**WIRES, dtype=complex), matrix(gate), wires)))
    return found


def test_two_gates_share_a_layer_only_if_they_commute_and_always_if_ionq_knows_both(placed: list[Placed]) -> None:
    known = {*target(find_backend("simulator")).operation_names, "cs", "csdg", "ccx", "ccz", "mcx", "mcphase"}
    assert known >= {"x", "h", "rx", "cp", "crz", "rxx", "swap", "csx"}
    names = {each.letter[0] for each in placed}
    matrices = np.array([each.everywhere for each in placed])
    # Where two unitaries agree on a random state up to a phase, they agree on all.
    rng = np.random.default_rng(1)
    state = rng.normal(size=2**WIRES) + 1j * rng.normal(size=2**WIRES)
    state /= np.linalg.norm(state)
    once = matrices @ state
    false, missed, shared = [], [], 0
    for first in placed:
        name, wires, _, kinds = first.letter
        if wires != tuple(range(len(wires))):
            continue  # another naming of the wires
        one_way, other_way = once @ first.everywhere.T, matrices @ (first.everywhere @ state)
        commute = np.abs(np.einsum("ij,ij->i", one_way.conj(), other_way)) > 1 - 1e-9
        layers = Layers(WIRES, names)
        layers.put(name, wires, kinds, 0)
        for second, do in zip(placed, commute.tolist(), strict=True):
            share = layers.of(*second.letter[:2], second.letter[3]) == 0
            shared += share
            if share and not do:
                false.append((first.letter, second.letter))
            if do and not share and known >= {name, second.letter[0]} and first.letter[:3] != second.letter[:3]:
                missed.append((first.letter, second.letter))
    assert not false
    assert not missed
    assert shared > len(placed)  # a relation that nothing is in would be sound, too


def test_a_gate_whose_wires_may_be_sorted_does_the_same_whichever_way(placed: list[Placed]) -> None:
    first_of: dict[Letter, Any] = {}
    sorted_ones = 0
    for letter, everywhere in placed:
        first = first_of.setdefault(letter, everywhere)
        sorted_ones += first is not everywhere
        assert abs(np.vdot(first, everywhere)) / 2**WIRES == pytest.approx(1), letter
    assert sorted_ones
