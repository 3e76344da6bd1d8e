"""How alike two vectors are to a quantum computer: the fidelity of the states a feature map makes of them, measured.

The feature map is of the kind of Havlíček et al., "Supervised learning with quantum-enhanced feature spaces" (2019):
U(x) is, `reps` times, a Hadamard gate on each qubit and then the phases
exp(-i Σ t_k Z_k - i Σ t_k t_(k+1) Z_k Z_(k+1)), a qubit for each component, t = scale · x radians, neighbors in a
chain. Its kernel F(x, y) = |<0|U(y)† U(x)|0>|² is no function of the vectors' inner product and distance, for it knows
which components are neighbors. A chain is easily simulated, however long it is: this is no kernel that only a quantum
computer can compute.

Invariant: a circuit that is made here measures F(x, y) whatever the order of x and y, and `fidelity` reads it from
the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import ClassicalRegister, QuantumCircuit

from qstore.circuits.targets import Backend
from qstore.errors import InvalidVectorError

Method = Literal["compute_uncompute", "swap_test"]
"""How a fidelity is measured: see the functions of these names."""

METHODS: tuple[Method, ...] = get_args(Method)

REPS = 1
"""How often the feature map repeats its layers, where nobody says: `benchmarks/ranking.py --choose` shows why."""

_Angles = NDArray[np.float64]


def read_vector(given: Any) -> NDArray[np.float32]:
    """A vector in single precision, as stores keep them: so a pair is the same pair, whichever of the two is asked for.

    Args:
        given: Real numbers, in a list or an array.

    Raises:
        InvalidVectorError: It is no such thing, or holds what is no finite number in single precision.
    """
    try:
        array = np.asarray(given)
    except ValueError as error:  # lists of different lengths in one another
        raise InvalidVectorError("A vector is a list of numbers, not a list of lists.") from error
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iuf":
        raise InvalidVectorError(
            f"A vector is a list of at least one number, not {type(given).__qualname__} of shape {array.shape} and "
            f"type {array.dtype}."
        )
    with np.errstate(over="ignore"):
        vector = array.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(vector))
    if wrong.size:
        raise InvalidVectorError(f"Component {wrong[0]} of the vector is {array[wrong[0]]}, which is no finite number.")
    return vector


def check_dimension(dimension: int, method: Method, backend: Backend) -> None:
    """Make sure that the backend has the qubits to measure the fidelity of such vectors.

    Args:
        dimension: Components of a vector.
        method: How it is to be measured.
        backend: Where.

    Raises:
        InvalidVectorError: It has fewer.
    """
    if qubits_of(dimension, method) > backend.qubits:
        most = max(size for size in range(backend.qubits + 1) if qubits_of(size, method) <= backend.qubits)
        raise InvalidVectorError(
            f"A {method} of vectors of {dimension} dimensions takes {qubits_of(dimension, method)} qubits, and "
            f"{backend.name} has {backend.qubits}: reduce them to {most} dimensions."
        )


def qubits_of(dimension: int, method: Method) -> int:
    """How many qubits it takes to measure the fidelity of vectors of that dimension."""
    return dimension if method == "compute_uncompute" else 2 * dimension + 1


def fidelity_circuit(one: ArrayLike, other: ArrayLike, method: Method, scale: float = 1.0) -> QuantumCircuit:
    """The circuit that measures the fidelity of two vectors: the same one for (a, b) as for (b, a).

    Args:
        one: A vector.
        other: One of the same dimension.
        method: How to measure it.
        scale: Radians for a component of 1.

    Raises:
        InvalidVectorError: They are no vectors of one dimension, or their angles are too large for any number.
    """
    first, second = sorted([read_vector(one), read_vector(other)], key=lambda vector: [*map(float, vector)])
    return (compute_uncompute if method == "compute_uncompute" else swap_test)(first, second, scale)


def compute_uncompute(x: ArrayLike, y: ArrayLike, scale: float = 1.0, reps: int = REPS) -> QuantumCircuit:
    """U(x) and then U(y)†, all qubits measured: F is how likely all of them are zero (Havlíček et al. 2019).

    The last phases of U(x) and the first of U(y)† commute, and are one layer of their differences.

    Args:
        x: A vector, a qubit for each component.
        y: One of the same dimension.
        scale: Radians for a component of 1.
        reps: Layers of the feature map.

    Raises:
        InvalidVectorError: As `fidelity_circuit`.
    """
    there, back = _angles(x, y, scale)
    circuit = QuantumCircuit((len(there) + 1) // 2, name="fidelity")
    for layer in (*[there] * (reps - 1), there - back, *[-back] * (reps - 1)):
        _add_layer(circuit, layer, 0)
    circuit.h(circuit.qubits)
    circuit.measure_all()
    return circuit


def swap_test(x: ArrayLike, y: ArrayLike, scale: float = 1.0, reps: int = REPS) -> QuantumCircuit:
    """Both states side by side, swapped by an ancilla, which alone is measured: it is 1 with probability (1 - F) / 2.

    From Buhrman, Cleve, Watrous and de Wolf, "Quantum fingerprinting" (2001). The ancilla is qubit 0, then come the
    qubits of x and those of y.

    Args:
        x: A vector, a qubit for each component.
        y: One of the same dimension.
        scale: Radians for a component of 1.
        reps: Layers of the feature map.

    Raises:
        InvalidVectorError: As `fidelity_circuit`.
    """
    pair = _angles(x, y, scale)
    size = (len(pair[0]) + 1) // 2
    circuit = QuantumCircuit(2 * size + 1, name="swap test")
    for angles, start in zip(pair, (1, 1 + size), strict=True):
        for _ in range(reps):
            _add_layer(circuit, angles, start)
    circuit.h(0)
    for qubit in range(1, 1 + size):
        circuit.cswap(0, qubit, qubit + size)
    circuit.h(0)
    circuit.add_register(ClassicalRegister(1, "ancilla"))
    circuit.measure(0, 0)
    return circuit


def fidelity(counts: Mapping[str, int], method: Method) -> float:
    """The fidelity that counts say, from 0 to 1.

    Of N shots it has the standard error sqrt(F (1 - F) / N) by `compute_uncompute`, and sqrt((1 - F²) / N) by
    `swap_test`, which is never smaller, and sees no F below 1 / sqrt(N). A swap test whose ancilla is 1 in more than
    half of its shots, by chance or noise, says 0.

    Args:
        counts: Of a circuit that was made here; at least one shot.
        method: How it was measured.
    """
    zeros = sum(count for bits, count in counts.items() if "1" not in bits) / sum(counts.values())
    return zeros if method == "compute_uncompute" else max(0.0, 2 * zeros - 1)


def _angles(x: ArrayLike, y: ArrayLike, scale: float) -> tuple[_Angles, _Angles]:
    """Radians by which each qubit and then each pair of neighbors turns in a layer of U(x), and in one of U(y)."""
    one, other = (np.asarray(vector, np.float64) * scale for vector in (read_vector(x), read_vector(y)))
    if len(one) != len(other):
        raise InvalidVectorError(f"One vector has {len(one)} components, and the other {len(other)}.")
    with np.errstate(over="ignore"):
        angles, others = (2 * np.concatenate([each, each[:-1] * each[1:]]) for each in (one, other))
    if max(np.abs(angles).max(), np.abs(others).max()) > _LARGEST:
        raise InvalidVectorError(f"Angles of more than {_LARGEST:g} radians have lost their fraction: scale less.")
    return angles, others


_LARGEST = 1e6  # radians: from there on single precision does not tell where in a turn an angle is


def _add_layer(circuit: QuantumCircuit, angles: _Angles, start: int) -> None:
    """Hadamard gates and phases, from a qubit on; no gate where there is no phase, so that less is left of likes."""
    size = (len(angles) + 1) // 2
    circuit.h(range(start, start + size))
    for place in np.flatnonzero(angles[:size]).tolist():
        circuit.rz(float(angles[place]), start + place)
    pairs = np.flatnonzero(angles[size:]).tolist()
    for pair in sorted(pairs, key=lambda first: first % 2):  # those that share no qubit stand beside each other
        circuit.rzz(float(angles[size + pair]), start + pair, start + pair + 1)
