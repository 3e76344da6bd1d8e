"""What is sent does what was asked for: the wire, read back by other means, is the same unitary."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from mqt import qcec
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit import library as gates
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Operator, random_clifford

from qstore.circuits.canonical import canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.targets import find_backend

SIMULATOR = find_backend("simulator")

# IonQ's words, by its own documentation
FIXED: dict[str, Gate] = {
    **{name: getattr(gates, f"{name.upper()}Gate")() for name in ("x", "y", "z", "h", "s", "t")},
    "si": gates.SdgGate(),
    "ti": gates.TdgGate(),
    "v": gates.SXGate(),
    "vi": gates.SXdgGate(),
    "swap": gates.SwapGate(),
}
TURNING: dict[str, Callable[[float], Gate]] = {
    "rx": gates.RXGate,
    "ry": gates.RYGate,
    "rz": gates.RZGate,
    "z": gates.PhaseGate,
    "xx": gates.RXXGate,
    "yy": gates.RYYGate,
    "zz": gates.RZZGate,
}


def read(wire: bytes, qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for entry in json.loads(wire):
        name = entry["gate"]
        gate = TURNING[name](entry["rotation"]) if "rotation" in entry else FIXED[name]
        controls = entry.get("controls", [])
        circuit.append(gate.control(len(controls)) if controls else gate, [*controls, *entry["targets"]])
    return circuit


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def fourier(qubits: int) -> QuantumCircuit:
    circuit = gates.QFTGate(qubits).definition
    assert circuit is not None
    return circuit


def clifford(qubits: int) -> QuantumCircuit:
    circuit: QuantumCircuit = random_clifford(qubits, seed=1).to_circuit()
    return circuit


def ansatz(qubits: int) -> QuantumCircuit:
    circuit = gates.efficient_su2(qubits, reps=2)
    return circuit.assign_parameters(np.random.default_rng(2).uniform(-3, 3, circuit.num_parameters))


def alternating(qubits: int) -> QuantumCircuit:
    """QAOA on a ring."""
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for gamma, beta in ((0.3, 0.8), (1.1, -0.4)):
        for qubit in range(qubits):
            circuit.rzz(2 * gamma, qubit, (qubit + 1) % qubits)
        circuit.rx(2 * beta, range(qubits))
    return circuit


def heisenberg(qubits: int) -> QuantumCircuit:
    """Two Trotter steps."""
    circuit = QuantumCircuit(qubits)
    for _ in range(2):
        for qubit in range(qubits - 1):
            circuit.rxx(0.1, qubit, qubit + 1)
            circuit.ryy(0.2, qubit, qubit + 1)
            circuit.rzz(0.3, qubit, qubit + 1)
        circuit.rz(0.4, range(qubits))
        circuit.rz(-0.1, range(qubits))
    return circuit


def foreign(qubits: int) -> QuantumCircuit:
    """Gates that IonQ does not have, and some that undo each other."""
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits - 2):
        circuit.u(0.1 + qubit, 0.2, 0.3, qubit)
        circuit.ccx(qubit, qubit + 1, qubit + 2)
        circuit.cu(0.1, 0.2, 0.3, 0.4, qubit + 2, qubit)
        circuit.cswap(qubit + 1, qubit, qubit + 2)
        circuit.iswap(qubit, qubit + 1)
        circuit.rzx(0.7, qubit + 1, qubit)
        circuit.ccx(qubit, qubit + 1, qubit + 2)
        circuit.ccx(qubit + 1, qubit, qubit + 2)
    return circuit


def anything(qubits: int) -> QuantumCircuit:
    return random_circuit(qubits, 6, max_operands=3, seed=5)


KINDS = (ghz, fourier, clifford, ansatz, alternating, heisenberg, foreign, anything)


def compiled(circuit: QuantumCircuit, level: int) -> QuantumCircuit:
    measured = circuit.copy()
    measured.measure_all()
    return read(Compiler().compile(canonicalize(measured), SIMULATOR, level), circuit.num_qubits)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_small_circuits_keep_their_unitary(kind: Callable[[int], QuantumCircuit], level: int) -> None:
    circuit = kind(4)
    assert Operator(compiled(circuit, level)).equiv(Operator(circuit), atol=1e-9)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_larger_circuits_are_equivalent_by_decision_diagrams(kind: Callable[[int], QuantumCircuit], level: int) -> None:
    circuit = kind(8)
    verdict = qcec.verify(compiled(circuit, level), circuit, seed=1, timeout=60)
    assert verdict.considered_equivalent()
    assert verdict.equivalence.name != "probably_equivalent"
