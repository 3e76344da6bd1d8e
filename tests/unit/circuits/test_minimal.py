"""A circuit that is called minimal is one Qiskit's level 1 has nothing to take away from."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qstore.circuits.canonical import canonicalize
from qstore.circuits.minimal import is_minimal
from qstore.circuits.targets import BACKENDS, target

TARGET = target(BACKENDS["simulator"])
PASSES = generate_preset_pass_manager(optimization_level=1, target=TARGET)
GATES = sorted({"h", "x", "s", "t", "rx", "ry", "rz", "p", "cx", "cz", "swap", "rzz", "barrier", "ccx", "u"})


def minimal(circuit: QuantumCircuit) -> bool:
    measured = circuit.copy()
    measured.measure_all()
    return is_minimal(canonicalize(measured).steps, TARGET.operation_names)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda c: (c.h(0), c.cx(0, 1)), True),
        (lambda c: (c.h(0), c.barrier(), c.h(0), c.cx(0, 1)), True),
        (lambda c: (c.cx(0, 1), c.cx(1, 2), c.cx(0, 1)), True),
        (lambda c: (c.cx(0, 1), c.h(0), c.cx(0, 1)), True),
        (lambda _: None, True),
        (lambda c: (c.h(0), c.h(0)), False),
        (lambda c: (c.cx(0, 1), c.cx(0, 1)), False),
        (lambda c: (c.cz(0, 1), c.cz(1, 0)), False),
        (lambda c: c.ry(2 * math.pi, 0), False),
        (lambda c: c.rzz(1e-9, 0, 1), False),
        (lambda c: c.id(0), False),
        (lambda c: c.u(1, 2, 3, 0), False),
        (lambda c: c.cswap(0, 1, 2), False),
    ],
)
def test_what_is_minimal(build: Callable[[QuantumCircuit], object], expected: bool) -> None:
    circuit = QuantumCircuit(3)
    build(circuit)
    assert minimal(circuit) is expected


@st.composite
def small(draw: st.DrawFn) -> QuantumCircuit:
    """Few gates, many of them neighbors that a compiler could merge or cancel."""
    circuit = QuantumCircuit(3)
    for name in draw(st.lists(st.sampled_from(GATES), max_size=6)):
        qubits = draw(st.permutations(range(3)))
        angles = st.integers(1, 12).map(lambda eighths: eighths * math.pi / 8)
        match name:
            case "rx" | "ry" | "rz" | "p":
                getattr(circuit, name)(draw(angles), qubits[0])
            case "rzz":
                circuit.rzz(draw(angles), *qubits[:2])
            case "u":
                circuit.u(draw(angles), draw(angles), draw(angles), qubits[0])
            case "cx" | "cz" | "swap":
                getattr(circuit, name)(*qubits[:2])
            case "ccx":
                circuit.ccx(*qubits)
            case "barrier":
                circuit.barrier()
            case _:
                getattr(circuit, name)(qubits[0])
    return circuit


@settings(max_examples=200)
@given(circuit=small())
def test_level_one_makes_a_minimal_circuit_no_smaller(circuit: QuantumCircuit) -> None:
    if minimal(circuit):
        assert PASSES.run(circuit).size() == circuit.size()
