"""What a circuit does, exactly: its unitary, or how its clbits are distributed, in plain linear algebra.

Independent of qstore: of Qiskit it believes the matrix of a gate, and where an instruction stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Clbit
from qiskit.circuit.controlflow import CASE_DEFAULT
from qiskit.quantum_info import Operator

Array = Any  # amplitudes or matrices
Branch = tuple[int, Array]  # the value of all clbits, and amplitudes whose norm squared is how likely it is
Distribution = dict[int, float]

_IDLE = {"barrier", "delay"}
_IMPOSSIBLE = 1e-12  # as a probability


def unitary(circuit: QuantumCircuit) -> Array:
    """The matrix of a circuit of gates, its global phase chosen so that circuits may be compared by it."""
    return _without_phase(_gates(circuit, np.eye(2**circuit.num_qubits, dtype=complex)))


def probabilities(circuit: QuantumCircuit) -> Array:
    """How likely each basis state is, where every qubit of a circuit of gates is measured in the end."""
    zero = np.eye(2**circuit.num_qubits, 1, dtype=complex)
    return np.abs(_gates(circuit, zero)[:, 0]) ** 2


def distribution(circuit: QuantumCircuit) -> Distribution:
    """How likely the values of all clbits are, measuring, resetting and branching wherever the circuit says so.

    Loops run to their end; of leaps out of them nothing is known here.
    """
    zero = np.eye(2**circuit.num_qubits, 1, dtype=complex)
    outcome: Distribution = {}
    places = range(circuit.num_clbits)
    for value, state in _run(circuit, [(0, zero)], range(circuit.num_qubits), dict(zip(circuit.clbits, places))):  # noqa: B905  as many as there are
        outcome[value] = outcome.get(value, 0.0) + float(np.linalg.norm(state) ** 2)
    return outcome


def apart(one: Distribution, other: Distribution) -> float:
    """The largest difference between two distributions."""
    return max(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other})


def matrix(operation: Any) -> Array:
    """The matrix of a gate, of whatever kind."""
    return np.asarray(operation, complex) if hasattr(operation, "__array__") else Operator(operation).data


def evolve(state: Array, gate: Array, qubits: Sequence[int]) -> Array:
    """A gate's matrix applied to columns of amplitudes; qubit 0 is the least significant bit."""
    width, on = len(state).bit_length() - 1, len(qubits)
    axes = [width - 1 - qubit for qubit in reversed(qubits)]
    tensor = np.tensordot(gate.reshape((2,) * (2 * on)), state.reshape((2,) * width + (-1,)), (range(on, 2 * on), axes))
    return np.moveaxis(tensor, range(on), axes).reshape(state.shape)


def _without_phase(values: Array) -> Array:
    largest = values.flat[np.argmax(np.abs(values).round(6))]  # rounded, so that equals are told apart by their place
    return values * (abs(largest) / largest)


def _gates(circuit: QuantumCircuit, state: Array) -> Array:
    index_of = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        if instruction.name not in _IDLE:
            state = evolve(state, matrix(instruction.operation), [index_of[qubit] for qubit in instruction.qubits])
    return state


def _run(circuit: QuantumCircuit, branches: list[Branch], on: Sequence[int], places: dict[Clbit, int]) -> list[Branch]:
    """Let a circuit, or a block of one, go on from some branches."""
    index_of = dict(zip(circuit.qubits, on, strict=True))
    for instruction in circuit.data:
        qubits = [index_of[qubit] for qubit in instruction.qubits]
        operation, name = instruction.operation, instruction.operation.name
        if name in _IDLE:
            continue
        if name in {"measure", "reset"}:
            into = [places[clbit] for clbit in instruction.clbits]
            branches = [after for branch in branches for after in _looked_at(branch, qubits, into)]
        elif hasattr(operation, "blocks"):
            clbits = [places[clbit] for clbit in instruction.clbits]
            branches = [after for branch in branches for after in _chosen(operation, branch, qubits, clbits, places)]
        else:
            branches = [(value, evolve(state, matrix(operation), qubits)) for value, state in branches]
    return branches


def _looked_at(branch: Branch, qubits: Sequence[int], into: Sequence[int]) -> Iterator[Branch]:
    """The branches behind a measurement, or a reset where there is no clbit to write to."""
    value, state = branch
    for bit in (0, 1):
        projector = np.zeros((2, 2))
        projector[bit if into else 0, bit] = 1
        after = evolve(state, projector, qubits)
        if np.linalg.norm(after) ** 2 > _IMPOSSIBLE:
            mask = sum(1 << clbit for clbit in into)
            yield (value | mask if bit else value & ~mask), after


def _chosen(
    operation: Any, branch: Branch, qubits: Sequence[int], clbits: Sequence[int], places: dict[Clbit, int]
) -> list[Branch]:
    """The branches behind control flow."""
    blocks: list[QuantumCircuit] = []
    match operation.name:
        case "if_else":
            target, wanted = operation.condition
            blocks = [operation.blocks[0]] if _read(target, branch, places) == wanted else [*operation.blocks[1:]]
        case "for_loop":
            values, parameter, body = operation.params
            blocks = [body if parameter is None else body.assign_parameters({parameter: value}) for value in values]
        case "switch_case":
            found = _read(operation.target, branch, places)
            for labels, block in operation.cases_specifier():
                if found in labels or CASE_DEFAULT in labels:
                    blocks = [block]
                    break
        case "box":
            blocks = [*operation.blocks]
    branches = [branch]
    for block in blocks:
        branches = _run(block, branches, qubits, dict(zip(block.clbits, clbits, strict=True)))
    return branches


def _read(target: Clbit | ClassicalRegister, branch: Branch, places: dict[Clbit, int]) -> int:
    clbits = [target] if isinstance(target, Clbit) else list(target)
    return sum((branch[0] >> places[clbit] & 1) << place for place, clbit in enumerate(clbits))
