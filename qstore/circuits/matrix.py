"""Matrices spelled in gates, the same way every time: what Qiskit's own passes choose differs between processes.

The invariant: the gates come to the matrix, up to a global phase. Two qubits take at most three gates that act on both
(Zhang, Vala, Sastry and Whaley, "Geometric theory of nonlocal two-qubit operations", 2003).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from qiskit.circuit.library import RZZGate
from qiskit.synthesis import OneQubitEulerDecomposer, TwoQubitControlledUDecomposer, qs_decomposition

from qstore.circuits.flat import Step, flatten

_NOTHING = 1e-12  # radians


def spell(matrix: Step) -> list[Step]:
    """The gates that a step `unitary` comes to: `rz`, `ry` and `rzz` for two qubits at most, else any.

    For more qubits it takes some 4^n gates (Shende, Bullock and Markov, "Synthesis of quantum-logic circuits", 2006).
    """
    width = len(matrix.qubits)
    entries = np.array(matrix.angles).view(complex).reshape(2**width, 2**width)
    match width:
        case 1:
            circuit = _one_qubit()(entries)
        case 2:
            circuit = _two_qubits()(entries)
        case _:
            circuit = qs_decomposition(entries)
    steps = [step for step in flatten(circuit) if not _is_nothing(step)]
    return [step._replace(qubits=tuple([matrix.qubits[qubit] for qubit in step.qubits])) for step in steps]


def _is_nothing(step: Step) -> bool:
    return step.name == "rzz" and abs(math.remainder(step.angles[0], math.tau)) < _NOTHING


@cache
def _one_qubit() -> OneQubitEulerDecomposer:
    return OneQubitEulerDecomposer("ZYZ")


@cache
def _two_qubits() -> TwoQubitControlledUDecomposer:
    return TwoQubitControlledUDecomposer(RZZGate, euler_basis="ZYZ")
