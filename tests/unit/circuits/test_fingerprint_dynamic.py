"""No two circuits that measure, reset or branch on their way share a fingerprint and not their outcomes."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Qubit
from rich.console import Console

from exact import Distribution, apart, distribution, probabilities
from qstore.circuits.canonical import canonicalize, fingerprint
from qstore.job import LEVELS, Level

Move = Callable[[QuantumCircuit], object]  # one thing to happen

QUBITS, CLBITS = 2, 2


def draw(rng: random.Random, *, branching: bool) -> Move:
    """Something to happen, the same wherever it is put."""
    one, other = rng.sample(range(QUBITS), 2)
    clbit, value = rng.randrange(CLBITS), rng.randrange(2)
    inner = draw(rng, branching=False) if branching else None
    moves: list[Move] = [
        lambda circuit: circuit.h(one),
        lambda circuit: circuit.x(one),
        lambda circuit: circuit.rz(math.pi / 2, one),
        lambda circuit: circuit.ry(0.7, one),
        lambda circuit: circuit.cx(one, other),
        lambda circuit: circuit.measure(one, clbit),
        lambda circuit: circuit.measure(one, clbit),
        lambda circuit: circuit.reset(one),
        lambda circuit: circuit.barrier(one),
    ]
    if inner is None:
        return rng.choice(moves)

    def block(circuit: QuantumCircuit, move: Move = inner) -> QuantumCircuit:
        body = QuantumCircuit(circuit.qubits, circuit.clbits, *circuit.cregs)
        move(body)
        return body

    branches: list[Move] = [
        lambda circuit: circuit.if_test((circuit.clbits[clbit], value), block(circuit), circuit.qubits, circuit.clbits),
        lambda circuit: circuit.if_test((circuit.cregs[0], value), block(circuit), circuit.qubits, circuit.clbits),
        lambda circuit: circuit.if_else(
            *((circuit.clbits[clbit], value), block(circuit), block(circuit, lambda body: body.h(one))),
            *(circuit.qubits, circuit.clbits),
        ),
        lambda circuit: circuit.for_loop(range(value + 1), None, block(circuit), circuit.qubits, circuit.clbits),
        lambda circuit: circuit.switch(
            circuit.cregs[0], [(value, block(circuit)), ((2, 3), block(circuit))], circuit.qubits, circuit.clbits
        ),
        lambda circuit: circuit.box(block(circuit), circuit.qubits, circuit.clbits),
    ]
    return rng.choice([*moves, *branches])


def assembled(moves: list[Move]) -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS, CLBITS)
    for move in moves:
        move(circuit)
    circuit.measure(0, 0)
    return circuit


def family(rng: random.Random, *, branching: bool) -> list[QuantumCircuit]:
    alphabet = [draw(rng, branching=branching) for _ in range(rng.randint(3, 5))]
    return [assembled([rng.choice(alphabet) for _ in range(rng.randint(1, 6))]) for _ in range(25)]


def promised(circuit: QuantumCircuit, level: Level) -> Distribution:
    """What all that share the circuit's fingerprint have to have in common."""
    if circuit.has_control_flow_op():
        return distribution(circuit)
    canonical = canonicalize(circuit, level)
    if canonical.format == "qis":
        gates = circuit.copy_empty_like()
        gates.data = [each for each in circuit.data if each.name not in {"measure", "reset"}]
        return dict(enumerate(probabilities(gates).tolist()))
    shown: Distribution = defaultdict(float)
    for value, probability in distribution(circuit).items():
        bits = [value >> clbit & 1 and 1 << bit for clbit, bit in enumerate(canonical.readout.bits) if bit is not None]
        shown[sum(bits)] += probability
    return shown


@pytest.mark.parametrize("branching", [False, True])
def test_equal_fingerprints_mean_equal_outcomes_at_every_level(branching: bool) -> None:
    rng = random.Random(11)
    total, collisions = 0, dict.fromkeys(LEVELS, 0)
    finer: dict[str, str] = {}
    for _ in range(80):
        circuits = family(rng, branching=branching)
        total += len(circuits)
        outcomes: dict[str, Distribution] = {}
        for circuit in circuits:
            prints = [fingerprint(circuit, level) for level in LEVELS]
            for level, found in zip(LEVELS, prints, strict=True):
                outcome = promised(circuit, level)
                collisions[level] += found in outcomes
                assert apart(outcome, outcomes.setdefault(found, outcome)) < 1e-8, (level, str(circuit))
            for fine, coarse in pairwise(prints):
                assert finer.setdefault(fine, coarse) == coarse, str(circuit)
    Console(width=120).print(f"{total:,} circuits, sharing their fingerprints with others: {collisions}")
    assert collisions["exact"] > total / 20
    assert collisions["semantic"] > collisions["commuting"] > collisions["exact"]


def teleport(
    wanted: int = 1,
    *,
    swapped: bool = False,
    otherwise: bool = False,
    names: tuple[str, str] = ("q", "c"),
    loose: bool = False,
) -> QuantumCircuit:
    """One qubit's state to another, with corrections that depend on what was measured."""
    qubits: Any = [[Qubit() for _ in range(3)]] if loose else [QuantumRegister(3, names[0])]
    circuit = QuantumCircuit(*qubits, ClassicalRegister(1, names[1]), ClassicalRegister(1, names[1] + "_"), [Clbit()])
    circuit.ry(0.7, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [1, 0] if swapped else [0, 1])
    for register, correct in ((1, "x"), (0, "z")):
        then, otherwise_then = QuantumCircuit(1), QuantumCircuit(1)
        getattr(then, correct)(0)
        getattr(otherwise_then, correct)(0)
        if otherwise:
            circuit.if_else((circuit.cregs[register], wanted), QuantumCircuit(1), otherwise_then, [2], [])
        else:
            circuit.if_test((circuit.cregs[register], wanted), then, [2], [])
    circuit.measure(2, 2)
    return circuit


@pytest.mark.parametrize("level", LEVELS)
def test_control_flow_has_the_fingerprint_of_its_structure(level: Level) -> None:
    renamed = teleport(names=("量", "größe"))
    renamed.name, renamed.metadata, renamed.global_phase = "🐈", {"any": "thing"}, 1.0
    assert fingerprint(renamed, level) == fingerprint(teleport(), level)
    assert fingerprint(teleport(loose=True), level) == fingerprint(teleport(), level)
    prints = {fingerprint(teleport(*change), level) for change in [(), (0,)]}
    prints |= {fingerprint(teleport(swapped=True), level), fingerprint(teleport(otherwise=True), level)}
    assert len(prints) == 4


def outcome_free(*resets: int) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    for qubit in resets:
        circuit.reset(qubit)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_a_reset_counts_where_it_is_and_on_the_qubit_it_is_on() -> None:
    for level in LEVELS:
        assert len({fingerprint(outcome_free(*resets), level) for resets in [(), (0,), (1,), (0, 1)]}) == 4
