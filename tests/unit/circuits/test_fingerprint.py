"""No two circuits that do different things share a fingerprint: thousands of small ones, against exact matrices.

Circuits are drawn from alphabets so small that many of them do the same, and each has a mutant that nearly does.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, Gate, InverseModifier, PowerModifier
from qiskit.circuit.library import (
    C3SXGate,
    CCXGate,
    CRXGate,
    CRYGate,
    CRZGate,
    CU3Gate,
    CUGate,
    CXGate,
    CZGate,
    HGate,
    MCPhaseGate,
    MCXGate,
    PermutationGate,
    RXGate,
    RYGate,
    RZGate,
    SwapGate,
    UnitaryGate,
    XGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import random_unitary
from rich.console import Console

from exact import probabilities, unitary
from qstore.circuits.canonical import fingerprint
from qstore.circuits.targets import find_backend, target
from qstore.job import LEVELS

GRID = 1.5e-9  # radians: angles that are closer may share a number
Placed = tuple[Gate, tuple[int, ...]]
Draw = Callable[[random.Random, int], Placed]
ROTATIONS = {gate.base_class for gate in get_standard_gate_name_mapping().values() if gate.params}


def angle(rng: random.Random) -> float:
    """Often a multiple of pi/4, next to one, or far out."""
    turn = rng.randint(-16, 16) * math.pi / 4
    near = turn + rng.choice((1e-12, -1e-12, 3e-9, -3e-9, 1e-6))
    return rng.choice((turn, turn, turn, near, rng.uniform(-7, 7), turn + 2 * math.pi * 10_000, -0.0, 1e6))


def standard(rng: random.Random, width: int) -> Placed:
    """A gate of Qiskit's, those IonQ takes above all."""
    known = [*target(find_backend("simulator")).operation_names]
    mapping = get_standard_gate_name_mapping()
    while True:
        gate = mapping.get(rng.choice(known) if rng.random() < 0.8 else rng.choice([*mapping]))
        if isinstance(gate, Gate) and 0 < gate.num_qubits <= width:
            return gate.base_class(*[angle(rng) for _ in gate.params]), on(rng, gate, width)


def composed(rng: random.Random, width: int) -> Placed:
    """A gate that is what its definition, its matrix, or whoever controls it says."""
    turn = angle(rng)
    inner = QuantumCircuit(min(width, 2), name=rng.choice(("h", "x", "mine")), global_phase=turn)
    inner.append(*standard(rng, inner.num_qubits))
    plain = inner.to_gate()
    made = [
        plain,
        plain.control(1, ctrl_state=rng.randint(0, 1)),
        AnnotatedOperation(plain, [ControlModifier(1, rng.randint(0, 1))]),
        AnnotatedOperation(RYGate(turn), [InverseModifier(), PowerModifier(2.0)]),
        UnitaryGate(random_unitary(2, seed=rng.randint(0, 1))),
        UnitaryGate(RZGate(turn).to_matrix() * np.exp(1j * rng.uniform(0, 6))),
        UnitaryGate(random_unitary(4, seed=rng.randint(0, 1))),
        UnitaryGate(random_unitary(2, seed=1)).control(1),
        CXGate(ctrl_state=0),
        CRZGate(turn, ctrl_state=0),
        CCXGate(ctrl_state=rng.randint(0, 3)),
        MCXGate(3, ctrl_state=rng.choice((7, 7, 5))),
        MCPhaseGate(turn, rng.randint(1, 3)),
        PermutationGate([1, 2, 0]),
        standard(rng, width)[0].inverse(),
    ]
    gate = rng.choice([gate for gate in made if gate.num_qubits <= width])
    return gate, on(rng, gate, width)


def on(rng: random.Random, gate: Gate, width: int) -> tuple[int, ...]:
    return tuple(rng.sample(range(width), gate.num_qubits))


def mutant(rng: random.Random, gates: list[Placed], draw: Draw, width: int) -> list[Placed]:
    """The gates after a change that may or may not matter."""
    place = rng.randrange(len(gates))
    gate, qubits = gates[place]
    before, behind = gates[:place], gates[place + 1 :]
    match rng.randrange(6):
        case 0:
            return [*before, draw(rng, width), *behind]
        case 1:
            return [*before, (gate, tuple(reversed(qubits))), *behind]
        case 2:
            return [*before, *behind[:1], (gate, qubits), *behind[1:]]  # later by one
        case 3 if type(gate) in ROTATIONS:
            by = rng.choice((2 * math.pi, 4 * math.pi, -2 * math.pi, math.pi, 4e-9))
            return [*before, (type(gate)(gate.params[0] + by, *gate.params[1:]), qubits), *behind]
        case 4:
            return [*gates, (gate.inverse(), qubits)]
        case _:
            return [*before, *behind]


def assembled(gates: list[Placed], width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for gate, qubits in gates:
        circuit.append(gate, qubits)
    return circuit


def families(draw: Draw, alphabets: int, circuits: int) -> Iterator[list[QuantumCircuit]]:
    """Of each alphabet many circuits, and a mutant of every second one."""
    rng = random.Random(7)
    for _ in range(alphabets):
        width = rng.randint(1, 4)
        alphabet = [draw(rng, width) for _ in range(rng.randint(2, 4))]
        family = []
        for number in range(circuits):
            gates = [rng.choice(alphabet) for _ in range(rng.randint(1, 6))]
            family.append(assembled(gates, width))
            if number % 2:
                family.append(assembled(mutant(rng, gates, draw, width), width))
        yield family


def gates_of(circuit: QuantumCircuit) -> tuple[Any, ...]:
    return tuple((each.operation, [circuit.find_bit(qubit).index for qubit in each.qubits]) for each in circuit.data)


@pytest.mark.parametrize(("draw", "alphabets"), [(standard, 180), (composed, 24)])
def test_equal_fingerprints_mean_equal_circuits_at_every_level(draw: Draw, alphabets: int) -> None:
    collisions: dict[str, int] = defaultdict(int)
    finer: dict[str, str] = {}
    total = 0
    for family in families(draw, alphabets, 30):
        total += len(family)
        members: dict[str, dict[str, list[int]]] = {level: defaultdict(list) for level in LEVELS}
        for number, circuit in enumerate(family):
            prints = [fingerprint(circuit, level) for level in LEVELS]
            for level, found in zip(LEVELS, prints, strict=True):
                members[level][found].append(number)
            # What one level takes for the same, every coarser one does.
            for fine, coarse in pairwise(prints):
                assert finer.setdefault(fine, coarse) == coarse, (fine, gates_of(circuit))
        exactly = {number: (unitary(circuit), probabilities(circuit)) for number, circuit in enumerate(family)}
        for level in LEVELS:
            for first, *others in members[level].values():
                for other in others:
                    collisions[level] += gates_of(family[first]) != gates_of(family[other])
                    what = 1 if level == "semantic" else 0  # which may leave out phases that nobody reads
                    apart = np.abs(exactly[first][what] - exactly[other][what]).max()
                    assert apart < 10 * GRID, (level, apart, gates_of(family[first]), gates_of(family[other]))
    Console(width=120).print(
        f"{total:,} circuits of {draw.__name__} gates, sharing their fingerprints with others: {dict(collisions)}"
    )
    assert collisions["exact"] > 10
    assert collisions["semantic"] > collisions["commuting"] > collisions["exact"]


TURNED = [CRXGate, CRYGate, CRZGate, lambda angle: CU3Gate(angle, 0.3, 0.4), lambda angle: CUGate(angle, 0.3, 0.4, 0.5)]


@pytest.mark.parametrize("turned", TURNED)
def test_a_controlled_rotation_is_itself_after_two_turns_and_not_after_one(turned: Callable[[float], Gate]) -> None:
    awake: list[Placed] = [
        (HGate(), (0,)),
        (RYGate(0.7), (1,)),
    ]  # of a qubit that is 0 nothing turns, whatever the angle
    one, other, itself = (
        assembled([*awake, (turned(0.5 + turns * math.tau), (0, 1)), *awake], 2) for turns in (0, 1, 2)
    )
    for level in ("commuting", "semantic"):
        assert fingerprint(one, level) == fingerprint(itself, level)
        assert fingerprint(one, level) != fingerprint(other, level)


@pytest.mark.parametrize("level", LEVELS)
def test_angles_farther_apart_than_a_step_differ(level: Any) -> None:
    for turn in (0.0, 0.3, math.pi, -math.pi / 2, 6.283, 1023.9):
        bare, tilted = (assembled([(RXGate(0.7), (0,)), (RYGate(turn + by), (0,))], 1) for by in (0, 2e-9))
        assert fingerprint(bare, level) != fingerprint(tilted, level)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # What merges into a gate acts no earlier than a third that it does not commute with.
        (("h1", "xx01 pi", "z0", "xx01 0.2"), ("h1", "xx01 pi+0.2", "z0")),
        (("h1", "xx01 pi", "xx01 -0.2", "z0", "xx01 0.2"), ("h1", "xx01 pi", "z0")),
    ],
)
def test_gates_that_merge_pass_no_gate_they_do_not_commute_with(one: Any, other: Any) -> None:
    awake, read = ("y0 0.7", "y1 0.9"), ("y0 0.4", "y1 0.3")  # so that phases tell
    one, other = (spelled((*awake, *words, *read)) for words in (one, other))
    assert fingerprint(one, "semantic") != fingerprint(other, "semantic")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("x0 0.3", "z0", "x0 -0.3", "x0 pi"), ("x0 0.3", "x0 pi", "z0", "x0 -0.3")),
        (
            ("x0 0.3", "y0 0.5", "yy01 pi", "y0 -0.5", "x0 -0.3", "x0 pi"),
            ("x0 0.3", "yy01 pi", "y0 0.5", "y0 -0.5", "x0 -0.3", "x0 pi"),
        ),
    ],
)
def test_what_merges_with_what_does_not_depend_on_the_authors_order(one: Any, other: Any) -> None:
    assert fingerprint(spelled(one), "commuting") == fingerprint(spelled(other), "commuting")
    assert fingerprint(spelled(one), "semantic") == fingerprint(spelled(other), "semantic")


def spelled(words: tuple[str, ...]) -> QuantumCircuit:
    """Gates such as `h0` or `xx01 pi+0.2`, on two qubits."""
    circuit = QuantumCircuit(2)
    for word in words:
        name, *turns = word.split()
        axes, qubits = name.rstrip("01"), [int(digit) for digit in name if digit.isdigit()]
        angles = [sum(math.pi if part == "pi" else float(part) for part in turn.split("+")) for turn in turns]
        getattr(circuit, f"r{axes}" if angles else axes)(*angles, *qubits)
    return circuit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(HGate(), (0,)), (CXGate(), (0, 1))], [(CXGate(), (0, 1)), (HGate(), (0,))]),
        ([(CXGate(), (0, 1))], [(CXGate(), (1, 0))]),
        ([(CXGate(), (0, 1))], [(CZGate(), (0, 1))]),
        ([(CXGate(), (0, 1))], [(CXGate(ctrl_state=0), (0, 1))]),
        ([(SwapGate(), (0, 1)), (XGate(), (0,))], [(XGate(), (0,)), (SwapGate(), (0, 1))]),
        ([(C3SXGate(), (0, 1, 2, 3))], [(MCXGate(3), (0, 1, 2, 3))]),
    ],
)
def test_what_differs_differs_at_every_level(one: list[Placed], other: list[Placed]) -> None:
    mixed: list[Placed] = [(RYGate(0.3 + qubit), (qubit,)) for qubit in range(4)]  # so that no gate is idle
    for level in LEVELS:
        assert fingerprint(assembled([*mixed, *one], 4), level) != fingerprint(assembled([*mixed, *other], 4), level)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("h0", "z0"), ("h0",)),  # a phase in the end
        (("h0", "h1", "zz01 0.3", "z0"), ("h0", "h1")),
        (("z0", "h0"), ("h0",)),  # a phase of zeros
        (("zz01 0.4", "h0"), ("h0",)),
        (("h0", "y1 0.3", "xx01 pi", "z1"), ("h0", "y1 0.3", "xx01 pi")),
        (("h1", "cx01"), ("h1",)),  # a control that is 0
        (("z0", "h1", "cx01", "h0", "cx01", "z1"), ("h1", "h0", "cx01")),
    ],
)
def test_what_nobody_can_see_is_no_part_of_the_semantic_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(spelled(one), "semantic") == fingerprint(spelled(other), "semantic")
    assert fingerprint(spelled(one)) != fingerprint(spelled(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("h0", "z0", "h0"), ("h0", "h0")),  # a phase that is turned into more
        (("h0", "cx01"), ("h0",)),
        (("x0", "cx01"), ("x0",)),
        (("h0", "cx01", "h0"), ("h0", "cx01")),
        (("h0", "x0 0.2"), ("h0",)),
    ],
)
def test_what_can_be_seen_is_part_of_it(one: Any, other: Any) -> None:
    assert fingerprint(spelled(one), "semantic") != fingerprint(spelled(other), "semantic")


def test_merged_rotations_are_rounded_once() -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(300):
        one, other = rng.uniform(-3, 3), rng.uniform(-3, 3)
        split: list[Placed] = [(HGate(), (0,)), (RZGate(one), (0,)), (RZGate(other), (0,)), (HGate(), (0,))]
        whole: list[Placed] = [(HGate(), (0,)), (RZGate(one + other), (0,)), (HGate(), (0,))]
        hits += fingerprint(assembled(split, 1), "semantic") == fingerprint(assembled(whole, 1), "semantic")
    assert hits >= 299
