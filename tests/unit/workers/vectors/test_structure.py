"""Embeddings of circuits: blind to what changes nothing in the structure, and keen on what does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqt.bench import BenchmarkLevel, get_benchmark
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2, n_local, real_amplitudes, zz_feature_map

from qstore.circuits.canonical import canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.targets import find_backend
from workers.vectors.sketch import DIMENSION
from workers.vectors.store import Vector
from workers.vectors.structure import embed_structure

Gate = dict[str, Any]

QUBITS = 5
COMPILER = Compiler()
FAMILIES = ("ae", "bv", "dj", "ghz", "graphstate", "grover", "qaoa", "qft", "qpeexact", "vqe_su2", "wstate")


def one_qubit_gates() -> st.SearchStrategy[Gate]:
    on = st.lists(st.integers(0, QUBITS - 1), min_size=1, max_size=1)
    plain = st.builds(lambda gate, targets: {"gate": gate, "targets": targets}, st.sampled_from("hstxyz"), on)
    turning = st.builds(
        lambda gate, targets, angle: {"gate": gate, "targets": targets, "rotation": angle},
        st.sampled_from(["rx", "ry", "rz"]),
        on,
        st.floats(-7, 7) | st.sampled_from([math.pi / 2, math.pi / 4, math.pi]),
    )
    return plain | turning


def two_qubit_gates() -> st.SearchStrategy[Gate]:
    pairs = st.permutations(range(QUBITS)).map(lambda order: order[:2])
    controlled = st.builds(
        lambda gate, pair: {"gate": gate, "controls": [pair[0]], "targets": [pair[1]]}, st.sampled_from("xyzh"), pairs
    )
    shared = st.builds(
        lambda gate, pair: {"gate": gate, "targets": list(pair), "rotation": 0.3}, st.sampled_from(["xx", "zz"]), pairs
    )
    return controlled | shared


GATES = st.lists(one_qubit_gates() | two_qubit_gates(), max_size=25)


def embedded(gates: Sequence[Gate]) -> Vector:
    return embed_structure(json.dumps(gates).encode(), "qis")


def wires(gate: Gate) -> set[int]:
    return {*gate["targets"], *gate.get("controls", ())}


@given(GATES, st.permutations(range(QUBITS)))
def test_which_qubit_is_which_does_not_matter(gates: list[Gate], order: list[int]) -> None:
    renamed = [
        {
            key: [order[qubit] for qubit in value] if key in ("targets", "controls") else value
            for key, value in each.items()
        }
        for each in gates
    ]
    np.testing.assert_array_equal(embedded(renamed), embedded(gates))


@given(GATES, st.lists(st.integers(0, 100), max_size=60))
def test_the_order_of_gates_that_share_no_qubit_does_not_matter(gates: list[Gate], places: list[int]) -> None:
    reordered = list(gates)
    for place in places:
        first, second = place % max(len(gates), 1), place % max(len(gates), 1) + 1
        if second < len(gates) and wires(reordered[first]).isdisjoint(wires(reordered[second])):
            reordered[first], reordered[second] = reordered[second], reordered[first]
    np.testing.assert_array_equal(embedded(reordered), embedded(gates))


@given(GATES)
def test_every_circuit_has_a_vector_of_length_one(gates: list[Gate]) -> None:
    vector = embedded(gates)
    assert vector.shape == (DIMENSION,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def h(qubit: int) -> Gate:
    return {"gate": "h", "targets": [qubit]}


def controlled(gate: str, control: int, target: int) -> Gate:
    return {"gate": gate, "controls": [control], "targets": [target]}


def rx(angle: float) -> Gate:
    return {"gate": "rx", "targets": [0], "rotation": angle}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([h(0), controlled("x", 0, 1)], [h(1), controlled("x", 0, 1)]),  # before the control, before the target
        ([h(0), controlled("x", 0, 1)], [controlled("x", 0, 1), h(0)]),  # before, behind
        ([h(0), h(0)], [h(0), h(1)]),
        ([h(0), rx(0.3)], [rx(0.3), h(0)]),
        ([h(0)], [{"gate": "x", "targets": [0]}]),
        ([{"gate": "x", "targets": [0]}], [controlled("x", 1, 0)]),
        ([controlled("x", 1, 0)], [{"gate": "x", "controls": [1, 2], "targets": [0]}]),
        ([rx(math.pi / 2)], [rx(math.pi)]),
        ([rx(math.pi / 2)], [rx(math.pi / 4)]),
        ([rx(math.pi / 2)], [rx(1.5)]),
        (
            # the second neighbors alone differ
            [h(0), controlled("x", 0, 1), controlled("x", 1, 2), h(3)],
            [h(3), controlled("x", 0, 1), controlled("x", 1, 2), h(2)],
        ),
    ],
)
def test_what_is_built_otherwise_is_told_apart(one: list[Gate], other: list[Gate]) -> None:
    assert float(embedded(one) @ embedded(other)) < 0.999


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([h(0), controlled("z", 0, 1)], [h(1), controlled("z", 0, 1)]),
        ([rx(0.3)], [rx(0.7)]),
        ([rx(math.pi / 4)], [rx(-math.pi / 4)]),
        ([rx(math.pi / 2)], [rx(math.acos(0) + 2 * math.pi)]),
        ([rx(math.pi)], [rx(math.pi + 1e-12)]),
        ([rx(0.5 * math.pi)], [rx(-1.5 * math.pi)]),
    ],
)
def test_what_is_built_alike_is_not_told_apart(one: list[Gate], other: list[Gate]) -> None:
    np.testing.assert_array_equal(embedded(one), embedded(other))


def openqasm(*lines: str) -> bytes:
    return json.dumps("\n".join(('OPENQASM 3.0;\ninclude "stdgates.inc";', *lines))).encode()


def test_both_ways_to_write_a_circuit_give_one_vector() -> None:
    gates = [h(0), controlled("x", 0, 1), {"gate": "rx", "targets": [1], "rotation": 0.3}]
    text = openqasm("qubit[2] q;", "h q[0];", "cx q[0], q[1];", "rx(0.3) q[1];")
    np.testing.assert_array_equal(embed_structure(text, "qasm3"), embedded(gates))


def test_a_circuit_that_measures_in_the_middle_is_more_than_its_gates() -> None:
    head, tail = ("qubit[2] q;", "bit[2] c;", "h q[0];"), ("cx q[0], q[1];", "c[1] = measure q[1];")
    plain = embed_structure(openqasm(*head, *tail), "qasm3")
    measuring = embed_structure(openqasm(*head, "c[0] = measure q[0];", *tail), "qasm3")
    resetting = embed_structure(openqasm(*head, "reset q[0];", *tail), "qasm3")
    assert float(plain @ measuring) < 0.999
    assert float(resetting @ measuring) < 0.999


def test_a_circuit_without_gates_is_far_from_those_with_some() -> None:
    empty = embedded([])
    np.testing.assert_array_equal(empty, embed_structure(openqasm("qubit[2] q;"), "qasm3"))
    assert float(empty @ embedded([h(0), h(1), controlled("x", 0, 1)])) < 0.5


def test_a_circuit_of_very_many_gates_is_embedded() -> None:
    layer = [controlled("x", qubit, qubit + 1) for qubit in range(35)]
    vector = embedded(layer * 1000)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def compiled(circuit: QuantumCircuit) -> Vector:
    if not circuit.num_clbits:
        circuit.measure_all()
    canonical = canonicalize(circuit)
    return embed_structure(COMPILER.compile(canonical, find_backend("qpu.forte-1"), 1), canonical.format)


def share_of_kin(vectors: Sequence[Vector], families: Sequence[str]) -> float:
    """For how many of the circuits the nearest other one is of the same family."""
    near = np.array(vectors) @ np.array(vectors).T
    np.fill_diagonal(near, -1)
    return float(np.mean([families[place] == families[int(row.argmax())] for place, row in enumerate(near)]))


def test_the_nearest_benchmark_is_of_the_same_family() -> None:
    kinds = [(family, width) for family in FAMILIES for width in range(3, 11)]
    vectors = [compiled(get_benchmark(family, BenchmarkLevel.ALG, width)) for family, width in kinds]
    assert share_of_kin(vectors, [family for family, _ in kinds]) > 0.9  # by chance: 0.09


ANSATZES: dict[str, Callable[[int, int], QuantumCircuit]] = {
    "chain": lambda width, layers: real_amplitudes(width, "linear", layers),
    "all pairs": lambda width, layers: real_amplitudes(width, "full", layers),
    "ring": lambda width, layers: efficient_su2(width, entanglement="circular", reps=layers),
    "controlled z": lambda width, layers: n_local(width, ["rx", "rz"], "cz", "linear", layers),
    "feature map": zz_feature_map,
}


def test_the_nearest_ansatz_is_of_the_same_family_whatever_its_angles() -> None:
    random = np.random.default_rng(7)
    kinds = [(name, width, layers) for name in ANSATZES for width in (4, 6, 9) for layers in (1, 2, 3)]
    vectors = []
    for name, width, layers in kinds:
        ansatz = ANSATZES[name](width, layers)
        vectors.append(compiled(ansatz.assign_parameters(random.uniform(0, 2 * math.pi, ansatz.num_parameters))))
    assert share_of_kin(vectors, [name for name, _, _ in kinds]) > 0.9  # by chance: 0.2


def test_vectors_of_today_can_be_compared_with_those_of_yesterday() -> None:
    vector = embedded([h(0)])
    positive, negative = {123, 131, 160, 215}, {16, 21, 60, 70, 100, 151, 213, 221}
    assert {*np.flatnonzero(vector > 0).tolist()} == positive
    assert {*np.flatnonzero(vector < 0).tolist()} == negative
