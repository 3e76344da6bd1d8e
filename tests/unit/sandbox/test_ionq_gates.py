"""The stand-in's gates against Qiskit's, through the serialization real clients use."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import library
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ
from qiskit_ionq.ionq_backend import IonQBackend

from qstore.sandbox.ionq.circuit import read_circuit
from qstore.sandbox.ionq.gates import InvalidGateError, read_gate

WIDTH = 4

QIS: dict[str, tuple[type, int, int]] = {  # class, qubits, angles
    "x": (library.XGate, 1, 0),
    "y": (library.YGate, 1, 0),
    "z": (library.ZGate, 1, 0),
    "h": (library.HGate, 1, 0),
    "s": (library.SGate, 1, 0),
    "sdg": (library.SdgGate, 1, 0),
    "sx": (library.SXGate, 1, 0),
    "sxdg": (library.SXdgGate, 1, 0),
    "t": (library.TGate, 1, 0),
    "tdg": (library.TdgGate, 1, 0),
    "rx": (library.RXGate, 1, 1),
    "ry": (library.RYGate, 1, 1),
    "rz": (library.RZGate, 1, 1),
    "p": (library.PhaseGate, 1, 1),
    "cx": (library.CXGate, 2, 0),
    "cy": (library.CYGate, 2, 0),
    "cz": (library.CZGate, 2, 0),
    "ch": (library.CHGate, 2, 0),
    "csx": (library.CSXGate, 2, 0),
    "crx": (library.CRXGate, 2, 1),
    "cry": (library.CRYGate, 2, 1),
    "crz": (library.CRZGate, 2, 1),
    "cp": (library.CPhaseGate, 2, 1),
    "swap": (library.SwapGate, 2, 0),
    "rxx": (library.RXXGate, 2, 1),
    "ryy": (library.RYYGate, 2, 1),
    "rzz": (library.RZZGate, 2, 1),
    "ccx": (library.CCXGate, 3, 0),
}
NATIVE: dict[str, tuple[type, int, int]] = {
    "gpi": (GPIGate, 1, 1),
    "gpi2": (GPI2Gate, 1, 1),
    "ms": (MSGate, 2, 3),
    "zz": (ZZGate, 2, 1),
}

angles = st.floats(-7, 7, allow_nan=False)


def distribution(circuit: QuantumCircuit, gateset: Literal["qis", "native"] = "qis") -> np.ndarray[Any, Any]:
    """What the stand-in makes of a circuit, sent as qiskit-ionq sends it."""
    wire, _, _ = qiskit_circ_to_ionq_circ(circuit, gateset)
    read = read_circuit(None, json.loads(json.dumps(wire)), gateset, circuit.num_qubits, None)
    found = read.distribution(lambda: None)
    dense = np.zeros(2**circuit.num_qubits)
    dense[found.states] = found.probabilities
    return dense


def exact(circuit: QuantumCircuit) -> np.ndarray[Any, Any]:
    return np.asarray(Statevector(circuit).probabilities())


@pytest.mark.parametrize("name", QIS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_gate_does_what_qiskit_says(name: str, data: st.DataObject) -> None:
    kind, width, count = QIS[name]
    circuit = QuantumCircuit(WIDTH)
    for qubit in range(WIDTH):
        circuit.ry(data.draw(angles), qubit)
        circuit.rz(data.draw(angles), qubit)
    qubits = data.draw(st.permutations(range(WIDTH)))[:width]
    circuit.append(kind(*(data.draw(angles) for _ in range(count))), qubits)
    for qubit in range(WIDTH):
        circuit.h(qubit)  # turns phases into probabilities
    assert distribution(circuit) == pytest.approx(exact(circuit), abs=1e-9)


@pytest.mark.parametrize("name", NATIVE)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_native_gate_does_what_qiskit_ionq_says(name: str, data: st.DataObject) -> None:
    kind, width, count = NATIVE[name]
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.append(GPI2Gate(data.draw(angles)), [qubit])
        circuit.append(GPIGate(data.draw(angles)), [qubit])
        circuit.append(GPI2Gate(data.draw(angles)), [qubit])
    qubits = data.draw(st.permutations(range(3)))[:width]
    circuit.append(kind(*(data.draw(angles) for _ in range(count))), qubits)
    for qubit in range(3):
        circuit.append(GPI2Gate(data.draw(angles)), [qubit])
    assert distribution(circuit, "native") == pytest.approx(exact(circuit), abs=1e-9)


@pytest.mark.parametrize("controls", [2, 3, 4])
@pytest.mark.parametrize("phase", [False, True])
def test_a_gate_takes_many_controls(controls: int, phase: bool) -> None:
    circuit = QuantumCircuit(controls + 1)
    for qubit in range(controls + 1):
        circuit.ry(0.7 + qubit, qubit)
    order = list(reversed(range(controls + 1)))
    gate = library.MCPhaseGate(1.1, controls) if phase else library.MCXGate(controls)
    circuit.append(gate, order)
    circuit.h(range(controls + 1))
    assert distribution(circuit) == pytest.approx(exact(circuit), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(time=angles, first=angles, second=angles, order=st.permutations(range(3)))
def test_commuting_pauli_evolution_does_what_qiskit_says(
    time: float, first: float, second: float, order: list[int]
) -> None:
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(0.3 + qubit, qubit)
        circuit.rz(0.9 - qubit, qubit)
    operator = SparsePauliOp(["XXI", "YYZ"], [first, second])
    reference = circuit.copy()
    circuit.append(library.PauliEvolutionGate(operator, time), order)
    for label, factor in (("XXI", first), ("YYZ", second)):
        reference.append(library.PauliEvolutionGate(SparsePauliOp(label), time * factor), order)
    circuit.h(range(3))
    reference.h(range(3))
    assert distribution(circuit) == pytest.approx(exact(reference), abs=1e-8)


def test_pauli_strings_that_do_not_commute_are_refused() -> None:
    gate = {"gate": "pauliexp", "targets": [0], "terms": ["X", "Z"], "coefficients": [1, 1], "time": 1}
    with pytest.raises(InvalidGateError, match="commute"):
        read_gate(gate, "qis", 1)


TARGET = IonQBackend(
    provider=None,  # type: ignore[arg-type]  # only who runs something needs one
    name="ionq_simulator",
    description="",
    gateset="qis",
    num_qubits=29,
    simulator=True,
).target


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 6), depth=st.integers(0, 8))
def test_a_compiled_random_circuit_keeps_its_distribution(seed: int, width: int, depth: int) -> None:
    circuit = random_circuit(width, depth, max_operands=min(width, 4), seed=seed)
    compiled = transpile(circuit, target=TARGET, optimization_level=1, initial_layout=range(width))
    wire, _, _ = qiskit_circ_to_ionq_circ(compiled)
    found = read_circuit(None, wire, "qis", 29, None).distribution(lambda: None)
    dense = np.zeros(2**width)
    dense[found.states] = found.probabilities
    assert dense == pytest.approx(exact(circuit), abs=1e-9)


@pytest.mark.parametrize("qubits", [(5, 11), (11, 5), (0, 28)])
def test_qubits_far_apart_cost_no_more_than_near_ones(qubits: tuple[int, int]) -> None:
    first, second = qubits
    wire = [{"gate": "h", "target": first}, {"gate": "cnot", "control": first, "target": second}]
    found = read_circuit(None, wire, "qis", 29, None).distribution(lambda: None)
    assert found.states.tolist() == [0, 2**first + 2**second]
    assert found.probabilities.tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", ["not", "cnot", "x"])
def test_names_for_the_same_gate_mean_the_same(name: str) -> None:
    wire = [{"gate": "x", "target": 1}, {"gate": name, "targets": [0], "controls": [1]}]
    found = read_circuit(None, wire, "qis", 2, None).distribution(lambda: None)
    assert found.states.tolist() == [3]


def test_a_nop_does_nothing() -> None:
    assert read_gate({"gate": "nop", "targets": [0]}, "native", 1) is None


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ("h", "JSON object"),
        ({"target": 0}, "not in the qis gateset"),
        ({"gate": ["h"], "target": 0}, "not in the qis gateset"),
        ({"gate": "u3", "target": 0}, "not in the qis gateset"),
        ({"gate": "gpi", "target": 0, "phase": 0}, "not in the qis gateset"),
        ({"gate": "h", "target": 2}, "out of range"),
        ({"gate": "h", "target": -1}, "out of range"),
        ({"gate": "h", "target": 0.5}, "not a whole number"),
        ({"gate": "h", "target": True}, "not a whole number"),
        ({"gate": "h", "target": 0, "targets": [0]}, "either"),
        ({"gate": "h", "targets": 0}, "list of qubits"),
        ({"gate": "h", "targets": [0, 1]}, "takes 1 target"),
        ({"gate": "h"}, "takes 1 target"),
        ({"gate": "swap", "targets": [0]}, "takes 2 target"),
        ({"gate": "swap", "targets": [1, 1]}, "twice"),
        ({"gate": "x", "target": 0, "control": 0}, "twice"),
        ({"gate": "cnot", "target": 0}, "needs a control"),
        ({"gate": "rx", "target": 0}, "rotation"),
        ({"gate": "rx", "target": 0, "rotation": "1"}, "rotation"),
        ({"gate": "rx", "target": 0, "rotation": math.inf}, "rotation"),
        ({"gate": "rx", "target": 0, "rotation": 10**400}, "rotation"),
        ({"gate": "h", "target": 0, "ctrl": 1}, "unknown field 'ctrl'"),
    ],
)
def test_a_gate_that_cannot_be_understood_is_refused(gate: Any, reason: str) -> None:
    with pytest.raises(InvalidGateError, match=reason):
        read_gate(gate, "qis", 2)
