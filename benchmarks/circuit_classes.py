"""Circuits of the classes that people run, small and large, and parameterized ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import QFTGate, efficient_su2, quantum_volume, real_amplitudes
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import random_clifford


def ghz(qubits: int) -> QuantumCircuit:
    """A Bell pair, and what is like it."""
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return measured(circuit)


def fourier(qubits: int) -> QuantumCircuit:
    """The quantum Fourier transform of a product state."""
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits):
        circuit.ry(0.1 + qubit / 7, qubit)
    circuit.append(QFTGate(qubits), range(qubits))
    return measured(circuit.decompose("qft"))


def clifford(qubits: int) -> QuantumCircuit:
    """A random Clifford operator."""
    return measured(random_clifford(qubits, seed=1).to_circuit())


def ansatz(qubits: int, reps: int) -> QuantumCircuit:
    """Hardware-efficient, with free angles."""
    return measured(efficient_su2(qubits, reps=reps))


def alternating(qubits: int, layers: int) -> QuantumCircuit:
    """QAOA on a ring with chords, with free angles."""
    gammas, betas = ParameterVector("gamma", layers), ParameterVector("beta", layers)
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for gamma, beta in zip(gammas, betas, strict=True):
        for qubit in range(qubits):
            for stride in (1, 2):
                circuit.rzz(2 * gamma, qubit, (qubit + stride) % qubits)
        circuit.rx(2 * beta, range(qubits))
    return measured(circuit)


def general(qubits: int, layers: int) -> QuantumCircuit:
    """Gates that IonQ does not have, with free angles."""
    angles = iter(ParameterVector("angle", 3 * qubits * layers))
    circuit = QuantumCircuit(qubits)
    for _ in range(layers):
        for qubit in range(qubits):
            circuit.u(next(angles), next(angles), next(angles), qubit)
        for qubit in range(qubits - 1):
            circuit.rzx(0.3, qubit, qubit + 1)
    return measured(circuit)


def heisenberg(qubits: int, steps: int) -> QuantumCircuit:
    """A Trotterized chain."""
    circuit = QuantumCircuit(qubits)
    for _ in range(steps):
        for qubit in range(qubits - 1):
            circuit.rxx(0.1, qubit, qubit + 1)
            circuit.ryy(0.1, qubit, qubit + 1)
            circuit.rzz(0.13, qubit, qubit + 1)
        circuit.rz(0.3, range(qubits))
    return measured(circuit)


def toffolis(qubits: int) -> QuantumCircuit:
    """Three-qubit gates in a row, to be translated."""
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for qubit in range(qubits - 2):
        circuit.ccx(qubit, qubit + 1, qubit + 2)
    return measured(circuit)


def anything(qubits: int, depth: int) -> QuantumCircuit:
    """Random standard gates on up to three qubits, most of them to be translated."""
    return measured(random_circuit(qubits, depth, max_operands=3, seed=3))


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit, with every qubit read out."""
    circuit.measure_all()
    return circuit


def bound(template: QuantumCircuit) -> QuantumCircuit:
    """The template with some angles."""
    return template.assign_parameters(np.random.default_rng(1).uniform(-3, 3, template.num_parameters))


CIRCUITS: Mapping[str, QuantumCircuit] = {
    "Bell pair": ghz(2),
    "GHZ": ghz(5),
    "GHZ, wide": ghz(20),
    "Fourier": fourier(4),
    "Fourier, wide": fourier(10),
    "Fourier, very wide": fourier(20),
    "Clifford": clifford(4),
    "Clifford, wide": clifford(12),
    "ansatz": bound(ansatz(4, 2)),
    "ansatz, wide": bound(ansatz(12, 5)),
    "QAOA": bound(alternating(6, 2)),
    "QAOA, wide": bound(alternating(16, 5)),
    "Trotter": heisenberg(4, 2),
    "Trotter, deep": heisenberg(12, 25),
    "Toffoli": toffolis(5),
    "Toffoli, wide": toffolis(20),
    "quantum volume": measured(quantum_volume(4, seed=1)),
    "quantum volume, wide": measured(quantum_volume(8, seed=1)),
    "any gates": anything(4, 6),
    "any gates, deep": anything(10, 40),
}
"""New circuits by class, of 2 to 20 qubits and 2 to 1,000 gates."""

TEMPLATES: Mapping[str, QuantumCircuit] = {
    "RealAmplitudes": measured(real_amplitudes(4, reps=2)),
    "ansatz": ansatz(4, 2),
    "ansatz, wide": ansatz(12, 5),
    "QAOA": alternating(6, 2),
    "QAOA, wide": alternating(16, 5),
    "general": general(5, 3),
}
"""Circuits with free angles by class."""
