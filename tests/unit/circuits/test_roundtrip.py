"""From a circuit over the wire to the asker's distribution: what arrives is what Qiskit says the circuit does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqt.bench import BenchmarkLevel, get_benchmark
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.primitives import StatevectorSampler

from qstore.circuits.canonical import canonicalize
from qstore.circuits.codec import decode, encode
from qstore.circuits.counts import render
from qstore.errors import UnsupportedCircuitError

Distribution = dict[str, float]
Answered = Callable[[QuantumCircuit, int], Distribution]
Expected = Callable[[QuantumCircuit], Distribution]
Same = Callable[[Mapping[Any, float], Mapping[Any, float]], bool]

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")  # of Qiskit's own reference

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("level", range(4))
@given(data=st.data())
def test_any_circuit_comes_back_as_qiskit_says(
    data: st.DataObject,
    level: int,
    circuits: st.SearchStrategy[QuantumCircuit],
    answered: Answered,
    expected: Expected,
    same: Same,
) -> None:
    circuit = data.draw(circuits)
    assert canonicalize(circuit).format == "qis"
    assert same(answered(circuit, level), expected(circuit))


@pytest.mark.parametrize("level", range(4))
@settings(max_examples=15)
@given(data=st.data())
def test_any_circuit_that_measures_in_the_middle_comes_back_as_qiskit_says(
    data: st.DataObject,
    level: int,
    dynamic_circuits: st.SearchStrategy[QuantumCircuit],
    answered: Answered,
    expected: Expected,
    same: Same,
) -> None:
    circuit = data.draw(dynamic_circuits)
    assert same(answered(circuit, level), expected(circuit))


@pytest.mark.parametrize("level", range(4))
@given(data=st.data())
def test_swaps_leave_every_qubit_on_its_own_bit(
    data: st.DataObject, level: int, answered: Answered, expected: Expected, same: Same
) -> None:
    width = data.draw(st.integers(2, 6))
    circuit = QuantumCircuit(width)
    for qubit in range(width):
        circuit.ry(0.4 + 0.3 * qubit, qubit)
    pairs = st.lists(st.sampled_from(range(width)), min_size=2, max_size=2, unique=True)
    for one, other in data.draw(st.lists(pairs, min_size=1, max_size=8)):
        circuit.swap(one, other)
        if data.draw(st.booleans()):
            circuit.cry(0.9, one, other)
    circuit.measure_all()
    assert same(answered(circuit, level), expected(circuit))


@given(data=st.data())
def test_counts_read_as_qiskits_sampler_reads_them(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    width = sum(sizes)
    circuit = QuantumCircuit(width)
    for index, size in enumerate(sizes):
        circuit.add_register(ClassicalRegister(size, f"r{index}"))
    ones = data.draw(st.sets(st.integers(0, width - 1)))
    for qubit in ones:
        circuit.x(qubit)
    for qubit, clbit in enumerate(data.draw(st.permutations(range(width)))):
        circuit.measure(qubit, clbit)

    sampled = StatevectorSampler(seed=1).run([circuit], shots=10).result()[0]
    rendered = render({sum(1 << qubit for qubit in ones): 10}, canonicalize(circuit).readout)

    assert {shown.replace(" ", ""): count for shown, count in rendered.items()} == sampled.join_data().get_counts()
    registers = next(iter(rendered)).split(" ")
    for index, shown in enumerate(reversed(registers)):
        assert sampled.data[f"r{index}"].get_counts() == {shown: 10}


BENCHMARKS = [
    ("ghz", 8),
    ("qft", 6),
    ("qaoa", 5),
    ("vqe_su2", 5),
    ("grover", 4),
    ("wstate", 6),
    ("ae", 4),
    ("qpeexact", 5),
    ("qwalk", 3),
]


@pytest.mark.parametrize("level", [BenchmarkLevel.ALG, BenchmarkLevel.INDEP], ids=["alg", "indep"])
@pytest.mark.parametrize(("name", "size"), BENCHMARKS)
def test_circuits_people_run_come_back_as_qiskit_says(
    name: str, size: int, level: BenchmarkLevel, answered: Answered, expected: Expected, same: Same
) -> None:
    circuit = get_benchmark(name, level=level, circuit_size=size)
    if not circuit.num_clbits:
        circuit.measure_all()
    wanted = expected(circuit)
    for optimization_level in range(4):
        assert same(answered(circuit, optimization_level), wanted)
    assert canonicalize(decode(encode(circuit))).fingerprint == canonicalize(circuit).fingerprint


@pytest.mark.parametrize("name", ["dynamic_qft", "ghz_dynamic"])
def test_circuits_with_control_flow_are_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedCircuitError, match="if_else"):
        canonicalize(get_benchmark(name, level=BenchmarkLevel.ALG, circuit_size=4))


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("bell", {"00": 1 / 2, "11": 1 / 2}),
        ("ghz5", {"00000": 1 / 2, "11111": 1 / 2}),
        ("teleport", {f"{received} {fair:02b}": p for received, p in ((0, 1 / 16), (1, 3 / 16)) for fair in range(4)}),
        ("qft4", {f"{state:04b}": 1 / 16 for state in range(16)}),
        ("bernstein_vazirani", {"1011": 1.0}),
        ("grover3", {f"{state:03b}": 121 / 128 if state == 0b101 else 1 / 128 for state in range(8)}),
        ("mid_circuit/reset", {f"{state:02b}": 1 / 4 for state in range(4)}),
    ],
)
def test_every_example_does_what_its_first_line_says(
    name: str, outcome: Distribution, answered: Answered, same: Same
) -> None:
    text = (EXAMPLES / f"{name}.qasm").read_text()
    assert len(text.splitlines()) <= 30
    for level in range(4):
        assert same(answered(decode(text), level), outcome)


def test_every_example_is_tested() -> None:
    assert {path.relative_to(EXAMPLES).with_suffix("").as_posix() for path in EXAMPLES.rglob("*.qasm")} == {
        "bell",
        "ghz5",
        "teleport",
        "qft4",
        "bernstein_vazirani",
        "grover3",
        "mid_circuit/reset",
    }
