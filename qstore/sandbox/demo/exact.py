"""The exact distribution of a circuit's bitstrings, by Qiskit's statevector, and how far counts may stray from it.

It shares no code with the pipeline it judges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from qiskit import QuantumCircuit, QuantumRegister
from qiskit.quantum_info import Statevector


def exact_distribution(circuit: QuantumCircuit) -> dict[str, float]:
    """Probabilities by bitstring, as `Result.get_counts` spells them, of a circuit without control flow.

    A measurement or reset in the middle is deferred: what was measured is copied to a qubit of its own, a reset
    qubit is replaced by a fresh one.
    """
    last_gate = {
        qubit: position
        for position, step in enumerate(circuit.data)
        if step.operation.name not in {"measure", "barrier"}
        for qubit in step.qubits
    }
    pure = QuantumCircuit(circuit.num_qubits)
    wire = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    shown: dict[int, int] = {}  # wire by clbit
    for position, step in enumerate(circuit.data):
        match step.operation.name:
            case "barrier":
                continue
            case "measure":
                clbit = circuit.find_bit(step.clbits[0]).index
                if last_gate.get(step.qubits[0], -1) > position:
                    shown[clbit] = _fresh(pure)
                    pure.cx(wire[step.qubits[0]], shown[clbit])
                else:
                    shown[clbit] = wire[step.qubits[0]]
            case "reset":
                wire[step.qubits[0]] = _fresh(pure)
            case _:
                pure.append(step.operation, [wire[qubit] for qubit in step.qubits])
    return _marginal(Statevector(pure).probabilities(), circuit, shown)


def allowed_distance(exact: Mapping[str, float], shots: int, doubt: float) -> float:
    """The total variation distance that shots alone exceed with probability `doubt` at most.

    The expected distance is at most half the sum of the standard deviations of the frequencies; one shot moves the
    distance by at most 1/shots, so McDiarmid's inequality bounds how far it strays from that.

    Args:
        exact: Probabilities by bitstring.
        shots: Number of shots.
        doubt: Such as 1e-9.
    """
    expected = sum(math.sqrt(p * (1 - p) / shots) for p in exact.values() if p < 1) / 2
    return expected + math.sqrt(math.log(1 / doubt) / (2 * shots))


def distance(exact: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """Total variation distance between a distribution and relative frequencies, 0 to 1."""
    shots = sum(counts.values())
    return sum(abs(exact.get(bits, 0.0) - counts.get(bits, 0) / shots) for bits in {*exact, *counts}) / 2


def _fresh(circuit: QuantumCircuit) -> int:
    circuit.add_register(QuantumRegister(1))
    return int(circuit.num_qubits) - 1


def _marginal(probabilities: np.ndarray, circuit: QuantumCircuit, shown: Mapping[int, int]) -> dict[str, float]:
    distribution: dict[str, float] = {}
    registers = [[circuit.find_bit(bit).index for bit in register] for register in circuit.cregs]
    loose = [index for index, bit in enumerate(circuit.clbits) if not circuit.find_bit(bit).registers]
    for state in np.flatnonzero(probabilities > 1e-12):  # noqa: PLR2004 - rounding of the statevector
        bits = " ".join(
            "".join(str(int(state) >> shown[clbit] & 1) if clbit in shown else "0" for clbit in reversed(register))
            for register in reversed([*registers, loose])
            if register
        )
        distribution[bits] = distribution.get(bits, 0.0) + float(probabilities[state])
    return distribution
