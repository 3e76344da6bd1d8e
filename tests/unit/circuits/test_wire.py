"""The wire says what qiskit-ionq says of the same circuit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import MCPhaseGate, MCXGate
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ

from qstore.circuits.flat import Step, flatten
from qstore.circuits.targets import BACKENDS, target
from qstore.circuits.wire import write
from qstore.errors import UnsupportedCircuitError

STANDARD = get_standard_gate_name_mapping()
NAMES = sorted(
    set(target(BACKENDS["simulator"]).operation_names) - {"measure", "reset", "PauliEvolution", "mcx", "mcphase"}
)


def theirs(circuit: QuantumCircuit) -> object:
    gates, _, _ = qiskit_circ_to_ionq_circ(circuit)
    return gates


def gate(name: str, angle: float) -> Gate:
    kind = STANDARD[name].base_class
    return kind(*[angle] * len(STANDARD[name].params))


@pytest.mark.parametrize("name", NAMES)
def test_every_gate_of_the_target_is_written_as_qiskit_ionq_writes_it(name: str) -> None:
    instance = gate(name, 0.1)
    circuit = QuantumCircuit(5)
    circuit.append(instance, [4, 2, 1][: instance.num_qubits])
    assert json.loads(write(flatten(circuit))) == theirs(circuit)


@pytest.mark.parametrize("instance", [MCXGate(2), MCXGate(3), MCXGate(4), MCXGate(6), MCPhaseGate(0.3, 4)])
def test_gates_of_many_controls_are_written_as_qiskit_ionq_writes_them(instance: Gate) -> None:
    circuit = QuantumCircuit(8)
    circuit.append(instance, [7, 1, 3, 0, 5, 6, 2][: instance.num_qubits])
    steps = [step._replace(name="mcx") if step.name == "ccx" else step for step in flatten(circuit)]
    assert json.loads(write(steps)) == theirs(circuit)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.permutations(range(4)), st.floats(-10, 10)), max_size=12))
def test_circuits_are_written_as_qiskit_ionq_writes_them(parts: list[tuple[str, list[int], float]]) -> None:
    circuit = QuantumCircuit(4)
    for name, qubits, angle in parts:
        instance = gate(name, angle)
        circuit.append(instance, qubits[: instance.num_qubits])
        circuit.barrier()
    assert json.loads(write(flatten(circuit))) == theirs(circuit)


def test_the_wire_is_compact() -> None:
    assert write([Step("cp", (1, 0), (), (0.5,))]) == b'[{"gate":"z","targets":[0],"controls":[1],"rotation":0.5}]'
    assert write([]) == b"[]"


def test_a_gate_ionq_has_no_word_for_is_refused() -> None:
    with pytest.raises(UnsupportedCircuitError, match="cswap"):
        write([Step("cswap", (0, 1, 2), (), ())])
