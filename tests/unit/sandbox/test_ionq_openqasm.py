"""The stand-in's OpenQASM 3 programs: outcomes that must be, and the distribution Qiskit's simulator finds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.providers.basic_provider import BasicSimulator

from qstore.sandbox.ionq.openqasm import InvalidProgramError, Program, read_program


def program(circuit: QuantumCircuit) -> Program:
    return read_program(None, qasm3.dumps(circuit))


def drawn(circuit: QuantumCircuit, shots: int, seed: int = 5) -> Counter[int]:
    found = program(circuit).draw(shots, np.random.default_rng(seed), lambda: None)
    return Counter(found.tolist())


def test_an_outcome_is_kept_when_its_qubit_is_reset_and_used_again() -> None:
    circuit = QuantumCircuit(2, 4)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.measure(0, 1)
    circuit.barrier()
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [2, 3])
    assert drawn(circuit, 50) == {0b1101: 50}


def test_a_bit_measured_twice_keeps_the_later_outcome() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.x(1)
    circuit.measure(1, 0)
    circuit.x(1)
    circuit.measure(1, 0)
    assert drawn(circuit, 10) == {0: 10}


def test_a_measurement_collapses_what_is_entangled_with_it() -> None:
    circuit = QuantumCircuit(2, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.x(0)
    circuit.measure([0, 1], [1, 2])
    assert drawn(circuit, 1000).keys() == {0b010, 0b111}


@pytest.mark.parametrize("seed", range(3))
def test_the_distribution_is_the_one_qiskit_finds(seed: int) -> None:
    chance = np.random.default_rng(seed)
    circuit = QuantumCircuit(3, 4)
    for bit in range(4):
        for qubit in range(3):
            circuit.u(*chance.uniform(0, 3, 3), qubit)
        circuit.rzz(chance.uniform(0, 3), 0, 1)
        circuit.ccx(*chance.permutation(3).tolist())
        circuit.measure(int(chance.integers(3)), bit)
        if bit % 2:
            circuit.reset(int(chance.integers(3)))
    shots = 20_000
    ours = drawn(circuit, shots)
    result = BasicSimulator().run(circuit.decompose(["rzz", "ccx"]), shots=4000, seed_simulator=seed).result()
    theirs = {int(key, 2): count / 4000 for key, count in result.get_counts().items()}
    distance = sum(abs(ours[key] / shots - theirs.get(key, 0)) for key in ours.keys() | theirs.keys()) / 2
    assert distance < 0.04  # 16 outcomes of 4000 shots: about 0.02 by chance


def test_the_same_seed_gives_the_same_shots() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)
    assert drawn(circuit, 1000, seed=1) == drawn(circuit, 1000, seed=1)
    assert drawn(circuit, 1000, seed=1) != drawn(circuit, 1000, seed=2)


def test_registers_are_told_by_name_and_index() -> None:
    circuit = QuantumCircuit(QuantumRegister(3), ClassicalRegister(2, "first"), ClassicalRegister(1, "second"))
    circuit.measure(range(3), range(3))
    assert program(circuit).registers == {"first": [0, 1], "second": [2]}


def test_many_shots_of_few_outcomes_cost_no_more_than_few() -> None:
    circuit = QuantumCircuit(1, 8)
    for bit in range(8):
        circuit.h(0)
        circuit.measure(0, bit)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    found = program(circuit).draw(1_000_000, np.random.default_rng(3), count)
    assert len(found) == 1_000_000
    assert steps < 2000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "not OpenQASM 3"),
        ("OPENQASM 3.0; qubit q; gate_nobody_knows q;", "not OpenQASM 3"),
        ('include "stdgates.inc"; qubit q; bit c; c = measure q; if (c) { x q; }', "if_else"),
        ('include "stdgates.inc"; qubit q; for int i in [0:2] { x q; }', "for_loop"),
        ('include "stdgates.inc"; input float a; qubit q; rx(a) q;', "free parameters"),
        ("qubit q; bit[63] c;", "classical bits"),
    ],
)
def test_what_cannot_run_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidProgramError, match=reason):
        read_program(None, text)
