"""What the circuit tests share: an interpreter of the wire that knows nothing of Qiskit, and exact references."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    ControlModifier,
    Delay,
    Gate,
    Measure,
    Operation,
    PowerModifier,
    Reset,
)
from qiskit.circuit.library import (
    CCXGate,
    CXGate,
    MCPhaseGate,
    MCXGate,
    PauliEvolutionGate,
    PermutationGate,
    QFTGate,
    RYGate,
    SwapGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector, random_unitary
from qiskit.result.postprocess import format_counts

from qstore.circuits.canonical import Canonical, canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.counts import render
from qstore.circuits.targets import find_backend

Distribution = dict[str, float]
Vector = Any  # an array of 2**n amplitudes, qubit 0 the least significant bit

ROOT_HALF = math.sqrt(0.5)
PAULIS = {
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, -1j], [1j, 0]], dtype=complex),
    "z": np.array([[1, 0], [0, -1]], dtype=complex),
}
FIXED = PAULIS | {
    "h": ROOT_HALF * np.array([[1, 1], [1, -1]], dtype=complex),
    "s": np.diag([1, 1j]),
    "si": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(0.25j * math.pi)]),
    "ti": np.diag([1, np.exp(-0.25j * math.pi)]),
    "v": 0.5 * np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]),
    "vi": 0.5 * np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]),
    "swap": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}


def _turn(generator: Vector, angle: float) -> Vector:
    """exp(-i angle/2 generator), for a generator that squares to the identity."""
    return math.cos(angle / 2) * np.eye(len(generator)) - 1j * math.sin(angle / 2) * generator


def _matrix(gate: Mapping[str, Any]) -> Vector:
    name, angle = gate["gate"], gate.get("rotation")
    if angle is None:
        return FIXED[name]
    if name == "z":
        return np.diag([1, np.exp(1j * angle)])
    if name in {"rx", "ry", "rz"}:
        return _turn(PAULIS[name[1]], angle)
    if name in {"xx", "yy", "zz"}:
        return _turn(np.kron(PAULIS[name[0]], PAULIS[name[0]]), angle)
    raise KeyError(name)


def _interpret(gates: list[dict[str, Any]], width: int) -> dict[int, float]:
    """Probabilities by basis state of a list of IonQ's `qis` gates."""
    amplitudes = np.zeros(2**width, dtype=complex)
    amplitudes[0] = 1
    states = np.arange(2**width)
    for gate in gates:
        assert set(gate) <= {"gate", "targets", "controls", "rotation"}, gate
        targets, matrix = gate["targets"], _matrix(gate)
        assert len(matrix) == 2 ** len(targets), gate
        controls = sum(1 << qubit for qubit in gate.get("controls", []))
        bits = [1 << qubit for qubit in targets]
        base = states[(states & controls == controls) & (states & sum(bits) == 0)]
        rows = [base + sum(bit for i, bit in enumerate(bits) if row >> i & 1) for row in range(len(matrix))]
        amplitudes[rows] = matrix @ amplitudes[rows]
    return {int(state): float(abs(a) ** 2) for state, a in enumerate(amplitudes) if abs(a) ** 2 > 1e-15}


def _simulate(circuit: QuantumCircuit) -> dict[int, float]:
    """Exact probabilities of the clbits' values, measuring and resetting wherever the circuit says so."""
    branches = [(0, Statevector.from_int(0, 2**circuit.num_qubits))]  # unnormalized: the norm is the probability
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        name = instruction.operation.name
        if name in {"barrier", "delay"}:
            continue
        if name not in {"measure", "reset"}:
            gate = Operator(instruction.operation)
            branches = [(value, state.evolve(gate, qubits)) for value, state in branches]
            continue
        split = []
        for value, state in branches:
            for bit in (0, 1):
                projector = np.zeros((2, 2))
                projector[0 if name == "reset" else bit, bit] = 1
                after = state.evolve(Operator(projector), qubits)
                if np.linalg.norm(after.data) > 1e-9:
                    shown = value
                    if name == "measure":
                        mask = 1 << circuit.find_bit(instruction.clbits[0]).index
                        shown = value | mask if bit else value & ~mask
                    split.append((shown, after))
        branches = split
    outcome: dict[int, float] = {}
    for value, state in branches:
        outcome[value] = outcome.get(value, 0.0) + float(np.linalg.norm(state.data) ** 2)
    return outcome


# -- random circuits ----------------------------------------------------------------------------------------

NAMES = ["q", "c", "meas", "über", "量子", "кубит", "x y", "gate", "0", "🐈"]
Event = tuple[Operation, list[int], list[int]]  # what happens, to which qubits, into which clbits


def _liar(name: str, definition: QuantumCircuit) -> Gate:
    gate = Gate(name, definition.num_qubits, [])
    gate.definition = definition
    return gate


@st.composite
def _gates(draw: st.DrawFn, width: int) -> Operation:
    """A gate of at most `width` qubits: any standard one, or one that needs care."""
    flip, tilt = QuantumCircuit(1), QuantumCircuit(2)
    flip.x(0)
    tilt.append(RYGate(0.7), [1])
    tilt.append(_liar("cx", tilt.copy()), [1, 0])
    # In hundredths: from level 2 on Qiskit drops gates that turn by a millionth, and 1e-9 would notice.
    angles = st.sampled_from([0.0, -0.0, math.pi, math.pi / 2, 1]) | st.integers(-700, 700).map(lambda n: n / 100)
    special = [
        CXGate(ctrl_state=0),
        CCXGate(ctrl_state=1),
        MCXGate(3),
        MCXGate(3, ctrl_state=5),
        MCPhaseGate(draw(angles), 2),
        UnitaryGate(random_unitary(2, seed=1)),
        UnitaryGate(random_unitary(4, seed=2)),
        PermutationGate([2, 0, 1]),
        QFTGate(3),
        PauliEvolutionGate(SparsePauliOp(["XY", "ZZ"], [0.5, 1]), time=0.3),
        _liar("h", flip),
        AnnotatedOperation(_liar("h", flip), [ControlModifier(1)]),
        AnnotatedOperation(UnitaryGate(random_unitary(2, seed=3)), [ControlModifier(1, 0), PowerModifier(2.0)]),
        _liar("swap", tilt),
    ]
    standard = [
        gate.base_class(*[draw(angles) for _ in gate.params])
        for gate in [draw(st.sampled_from([*get_standard_gate_name_mapping().values()]))]
        if isinstance(gate, Gate) and 0 < gate.num_qubits <= width
    ]
    fitting = [gate for gate in special if gate.num_qubits <= width]
    swaps = [SwapGate()] * 3 if width > 1 else []
    return draw(st.sampled_from(standard * (2 * len(special)) + fitting + swaps))


@st.composite
def _registers(draw: st.DrawFn, kind: Any, bits: int) -> list[Any]:
    """Registers that hold that many bits in all."""
    cuts = sorted(draw(st.sets(st.integers(1, bits - 1), max_size=2))) if bits > 1 else []
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, bits], strict=True)]
    return [kind(size, name) for size, name in zip(sizes, draw(st.permutations(NAMES)), strict=False)]


def _assemble(qregs: list[Any], cregs: list[Any], events: list[Event]) -> QuantumCircuit:
    circuit = QuantumCircuit(*qregs, *cregs)
    for operation, qubits, clbits in events:
        circuit.append(operation, qubits, clbits)
    return circuit


@st.composite
def _events(draw: st.DrawFn, width: int, most: int) -> list[Event]:
    events: list[Event] = []
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.integers(0, 9))
        order = draw(st.permutations(range(width)))
        if kind == 0:
            qubits = order[: draw(st.integers(1, width))]
            events.append((Barrier(len(qubits)), qubits, []))
        elif kind == 1:
            events.append((Delay(100), order[:1], []))
        else:
            gate = draw(_gates(width))
            events.append((gate, order[: gate.num_qubits], []))
    return events


@st.composite
def _circuits(draw: st.DrawFn) -> QuantumCircuit:
    """Any gates, then measurements: permuted, partial, doubled, overwriting, and early where nothing follows."""
    width, clbits = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    events = draw(_events(width, 10))
    for _ in range(draw(st.integers(1, 5))):
        qubit, clbit = draw(st.integers(0, width - 1)), draw(st.integers(0, clbits - 1))
        used = [i + 1 for i, (what, on, _) in enumerate(events) if qubit in on and not isinstance(what, Measure)]
        events.insert(draw(st.integers(max(used, default=0), len(events))), (Measure(), [qubit], [clbit]))
    return _assemble(draw(_registers(QuantumRegister, width)), draw(_registers(ClassicalRegister, clbits)), events)


@st.composite
def _dynamic_circuits(draw: st.DrawFn) -> QuantumCircuit:
    """Gates, measurements and resets in any order; at least one measurement."""
    width, clbits = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    events = draw(_events(width, 6))
    for _ in range(draw(st.integers(1, 5))):
        place, qubit = draw(st.integers(0, len(events))), draw(st.integers(0, width - 1))
        if draw(st.booleans()):
            events.insert(place, (Reset(), [qubit], []))
        else:
            events.insert(place, (Measure(), [qubit], [draw(st.integers(0, clbits - 1))]))
    events.append((Measure(), [0], [0]))
    return _assemble(draw(_registers(QuantumRegister, width)), draw(_registers(ClassicalRegister, clbits)), events)


@pytest.fixture(scope="session")
def circuits() -> st.SearchStrategy[QuantumCircuit]:
    """Circuits whose measurements a reading at the end can express."""
    return _circuits()


@pytest.fixture(scope="session")
def dynamic_circuits() -> st.SearchStrategy[QuantumCircuit]:
    """Circuits that measure and reset in the middle."""
    return _dynamic_circuits()


# -- what the tests ask -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    return Compiler()


@pytest.fixture(scope="session")
def interpret() -> Callable[[bytes, int], dict[int, float]]:
    """Probabilities by basis state of what the compiler made of a `qis` circuit."""
    return lambda wire, width: _interpret(json.loads(wire), width)


@pytest.fixture(scope="session")
def expected() -> Callable[[QuantumCircuit], Distribution]:
    """The circuit's exact distribution, as Qiskit itself would print its counts."""

    def calculate(circuit: QuantumCircuit) -> Distribution:
        header = {"creg_sizes": [[r.name, r.size] for r in circuit.cregs], "memory_slots": circuit.num_clbits}
        values = {hex(value): probability for value, probability in _simulate(circuit).items()}
        return dict(format_counts(values, header))

    return calculate


@pytest.fixture(scope="session")
def answered(compiler: Compiler) -> Callable[[QuantumCircuit, int], Distribution]:
    """The distribution a circuit's asker would be shown, if IonQ executed the wire exactly."""

    def answer(circuit: QuantumCircuit, level: int) -> Distribution:
        canonical = canonicalize(circuit)
        wire = compiler.compile(canonical, find_backend("simulator"), level)
        return render(_execute(canonical, wire), canonical.readout)

    return answer


def _execute(canonical: Canonical, wire: bytes) -> dict[int, float]:
    if canonical.format == "qis":
        return _interpret(json.loads(wire), canonical.width)
    text = json.loads(wire)
    assert f"bit[{canonical.width}] c;" in text
    return _simulate(qasm3.loads(text))


@pytest.fixture(scope="session")
def same() -> Callable[[Mapping[Any, float], Mapping[Any, float]], bool]:
    """Whether two distributions agree within 1e-9, whichever impossible outcomes they name."""

    def agree(one: Mapping[Any, float], other: Mapping[Any, float]) -> bool:
        return all(abs(one.get(key, 0.0) - other.get(key, 0.0)) < 1e-9 for key in {*one, *other})

    return agree
