from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from wire_cutting import QUBITS, Array, Cut, distribution_of, fragments, parity, problems, reconstruct, runs
from workloads import gates_of

ANGLES = st.floats(-7, 7, allow_nan=False)


def exact(circuits: Sequence[QuantumCircuit]) -> list[dict[str, float]]:
    """What an ideal machine would answer, after any number of shots."""
    return [Statevector(circuit.remove_final_measurements(inplace=False)).probabilities_dict() for circuit in circuits]


def rebuilt(circuit: QuantumCircuit, *cuts: Cut) -> Array:
    parts = fragments(circuit, cuts)
    return reconstruct(parts, len(cuts), exact(runs(parts, len(cuts))))


@settings(max_examples=20, deadline=None)
@given(angles=st.lists(ANGLES, min_size=7, max_size=7))
def test_the_fragments_of_a_cut_circuit_give_its_exact_distribution(angles: list[float]) -> None:
    circuit = QuantumCircuit(3)
    circuit.u(*angles[:3], 0)
    circuit.cx(0, 1)
    circuit.u(*angles[3:6], 1)  # whatever state: all four measurements count
    circuit.cx(1, 2)
    circuit.ry(angles[6], 2)
    circuit.rx(1.1, 1)
    assert np.allclose(rebuilt(circuit, Cut(1, 2)), distribution_of(circuit), atol=1e-12)


def test_a_fragment_may_both_begin_and_end_at_cuts_and_show_qubits_out_of_order() -> None:
    circuit = QuantumCircuit(4)
    circuit.ry(0.3, 3)
    circuit.cx(3, 0)
    circuit.rx(0.7, 0)
    circuit.cx(0, 2)
    circuit.u(0.2, 0.5, 0.9, 2)
    circuit.cx(2, 1)
    circuit.ry(1.3, 2)
    parts = fragments(circuit, [Cut(2, 2), Cut(0, 2)])
    assert sorted((len(part.prepared), len(part.measured)) for part in parts) == [(0, 1), (1, 0), (1, 1)]
    assert np.allclose(rebuilt(circuit, Cut(2, 2), Cut(0, 2)), distribution_of(circuit), atol=1e-12)


def test_a_wire_may_be_cut_twice() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(0.3, 0)
    circuit.cx(0, 1)
    circuit.rx(0.7, 0)
    circuit.u(0.2, 0.5, 0.9, 0)
    assert len(fragments(circuit, [Cut(0, 2), Cut(0, 3)])) == 3
    assert np.allclose(rebuilt(circuit, Cut(0, 2), Cut(0, 3)), distribution_of(circuit), atol=1e-12)


@pytest.mark.parametrize("cut", [Cut(0, 0), Cut(0, 2), Cut(2, 1)])
def test_a_cut_before_behind_or_beside_the_gates_is_refused(cut: Cut) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    with pytest.raises(ValueError, match="between two gates"):
        fragments(circuit, [cut])


def test_every_fragment_runs_in_each_of_eight_terms_a_cut_and_few_runs_differ() -> None:
    for problem in problems(seed=1):
        parts = fragments(problem.circuit, problem.cuts)
        circuits = runs(parts, len(problem.cuts))
        assert len(parts) == 3
        assert max(part.body.num_qubits for part in parts) <= QUBITS // 2
        assert len(circuits) == 3 * 8**2
        assert len({gates_of(circuit) for circuit in circuits}) <= 3 + 6 * 3 + 6
        assert np.allclose(reconstruct(parts, 2, exact(circuits)), distribution_of(problem.circuit), atol=1e-12)


def test_the_axes_of_a_distribution_are_the_qubits_in_their_order() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(1)
    assert distribution_of(circuit)[0, 1, 0] == 1


def test_the_parity_of_ghz_states_is_that_of_their_width() -> None:
    for width, expected in [(3, 0.0), (4, 1.0)]:
        circuit = QuantumCircuit(width)
        circuit.h(0)
        circuit.cx(0, range(1, width))
        assert parity(distribution_of(circuit)) == pytest.approx(expected)
    one = QuantumCircuit(2)
    one.x(1)
    assert parity(distribution_of(one)) == pytest.approx(-1)
