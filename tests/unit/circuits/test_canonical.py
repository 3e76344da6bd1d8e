from __future__ import annotations

import math
import random
import struct
from collections import defaultdict
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import AnnotatedOperation, Clbit, ControlModifier, Gate, Instruction, Measure, Parameter, Qubit
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import (
    CXGate,
    HGate,
    Initialize,
    MCXGate,
    RYGate,
    UnitaryGate,
    XGate,
)
from qiskit.quantum_info import Clifford

from qstore.circuits import flat
from qstore.circuits.canonical import Canonical, canonicalize
from qstore.circuits.canonical import fingerprint as public_fingerprint
from qstore.circuits.codec import decode
from qstore.circuits.targets import find_backend
from qstore.errors import (
    CircuitTooLargeError,
    NoMeasurementError,
    NoQubitsError,
    UnboundParametersError,
    UnsupportedCircuitError,
)
from qstore.job import LEVELS, Level, Readout

Same = Callable[[Mapping[Any, float], Mapping[Any, float]], bool]


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def measured(*gates: tuple[Gate, list[int]], width: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for gate, qubits in gates:
        circuit.append(gate, qubits)
    circuit.measure_all()
    return circuit


def fingerprint(circuit: QuantumCircuit) -> str:
    return canonicalize(circuit).fingerprint


def rebuilt(circuit: QuantumCircuit, order: list[int], clbits: int | None = None) -> QuantumCircuit:
    """The same instructions in another order, on loose, nameless bits."""
    qubit_of = {bit: Qubit() for bit in circuit.qubits}
    clbit_of = {bit: Clbit() for bit in circuit.clbits}
    other = QuantumCircuit(list(qubit_of.values()), list(clbit_of.values()))
    for index in order:
        instruction = circuit.data[index]
        other.append(
            instruction.operation,
            [qubit_of[bit] for bit in instruction.qubits],
            [clbit_of[bit] for bit in instruction.clbits],
        )
    if clbits:
        other.add_register(ClassicalRegister(clbits, "more"))
    return other


# -- what is compiled ---------------------------------------------------------------------------------------


def test_a_bell_pair_loses_its_measurements_and_keeps_its_readout() -> None:
    canonical = canonicalize(bell())
    assert canonical.format == "qis"
    assert (canonical.width, canonical.gates) == (2, 2)
    assert dict(canonical.build().count_ops()) == {"h": 1, "cx": 1}
    assert canonical.build().num_clbits == 0
    assert canonical.readout == Readout((0, 1), ((0, 1),))


def test_the_callers_circuit_is_left_as_it_is() -> None:
    circuit = bell()
    circuit.metadata = {"mine": 1}
    before = circuit.copy()
    canonicalize(circuit)
    assert circuit == before
    assert circuit.metadata == {"mine": 1}


def test_a_measurement_in_the_middle_keeps_everything_under_our_own_names() -> None:
    circuit = QuantumCircuit(QuantumRegister(1, "量子"), ClassicalRegister(2, "größe"), ClassicalRegister(1, "leer"))
    circuit.h(0)
    circuit.measure(0, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    canonical = canonicalize(circuit)
    assert canonical.format == "qasm3"
    assert (canonical.width, canonical.gates) == (2, 2)
    assert [register.name for register in canonical.build().qregs] == ["q"]
    assert [(register.name, register.size) for register in canonical.build().cregs] == [("c", 2)]
    assert canonical.readout == Readout((1, 0, None), ((0, 1), (2,)))


def test_openqasm_measures_into_one_clbit_for_each_that_is_read_by_qubit_then_by_time() -> None:
    circuit = QuantumCircuit(2, 5)
    for qubit, clbit in [(1, 4), (0, 2), (1, 0), (1, 2), (0, 3)]:
        circuit.h(qubit)
        circuit.measure(qubit, clbit)
    canonical = canonicalize(circuit)
    assert canonical.readout.bits == (2, None, 3, 0, 1)  # what qubit 0 wrote to clbit 2 was overwritten
    assert canonical.width == 4
    steps = [(step.qubits, step.clbits) for step in canonical.steps if step.name == "measure"]
    assert steps == [((1,), (1,)), ((0,), (3,)), ((1,), (2,)), ((1,), (3,)), ((0,), (0,))]


@pytest.mark.parametrize(
    ("program", "form"),
    [
        ("h0 m00 h1 m11", "qis"),  # a gate on another qubit
        ("h0 m00 m01", "qis"),  # measured twice, nothing between
        ("h0 m00 b01 h1 m11", "qis"),  # a barrier behind a measurement
        ("h0 h1 m00 m10", "qis"),  # the last write wins
        ("r0 h0 m00", "qis"),  # a reset of what is 0 anyway
        ("b01 r0 h0 m00", "qis"),
        ("h0 m00 r0", "qis"),  # a reset that nobody sees
        ("h0 r0 h1 m10", "qis"),
        ("h0 m00 r0 b01", "qis"),
        ("h0 m00 h0", "qasm3"),  # used after it was measured
        ("h0 m00 h0 m01", "qasm3"),
        ("h0 r0 m00", "qasm3"),  # a reset that is read
        ("h0 r0 h0 m00", "qasm3"),
        ("m00 r0 m01", "qasm3"),
        ("h0 m00 r0 m01", "qasm3"),
    ],
)
def test_openqasm_is_needed_only_where_reading_at_the_end_tells_less(program: str, form: str) -> None:
    circuit = QuantumCircuit(2, 2)
    for word in program.split():
        first, *rest = map(int, word[1:])
        {"h": circuit.h, "r": circuit.reset, "m": circuit.measure, "b": circuit.barrier}[word[0]](first, *rest)
    assert canonicalize(circuit).format == form


def test_of_two_writes_to_one_clbit_the_last_is_read() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.measure(1, 0)
    assert canonicalize(circuit).readout.bits == (1,)


def test_the_readout_knows_overlapping_registers_and_loose_clbits() -> None:
    loose, shared = Clbit(), [Clbit(), Clbit(), Clbit()]
    circuit = QuantumCircuit([Qubit(), Qubit()], [loose, *shared])
    circuit.add_register(ClassicalRegister(bits=shared[:2], name="low"))
    circuit.add_register(ClassicalRegister(bits=shared[1:], name="high"))
    circuit.measure([0, 1], [2, 0])
    assert canonicalize(circuit).readout == Readout((1, None, 0, None), ((1, 2), (2, 3), (0,)))


def test_delays_and_idle_barriers_are_dropped() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.barrier()
    circuit.cx(0, 1)
    circuit.delay(100, 0)
    circuit.barrier()
    circuit.barrier(0)
    circuit.measure([0, 1], [0, 1])
    circuit.barrier()
    canonical = canonicalize(circuit)
    assert dict(canonical.build().count_ops()) == {"h": 1, "barrier": 1, "cx": 1}
    assert canonical.gates == 2


def test_a_composite_gate_is_taken_apart_and_many_controls_are_kept() -> None:
    inner = QuantumCircuit(5)
    inner.append(MCXGate(4), range(5))
    inner.append(MCXGate(4, ctrl_state=7), range(5))
    canonical = canonicalize(measured((inner.to_gate(), [4, 3, 2, 1, 0]), width=5))
    assert dict(canonical.build().count_ops()) == {"mcx": 2, "x": 2}


def test_nothing_of_the_callers_is_left_on_a_gate() -> None:
    canonical = canonicalize(measured((XGate(label="mine"), [0]), (RYGate(0.5, label="mine"), [1])))
    assert [instruction.label for instruction in canonical.build().data] == [None, None]


@pytest.mark.parametrize("measure", [Measure(label="mine"), Measure().to_mutable()])
def test_a_measurement_is_one_whoever_wrote_something_on_it(measure: Measure) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(measure, [0], [1])
    circuit.append(measure, [1], [0])
    canonical = canonicalize(circuit)
    assert canonical.fingerprint == canonicalize(bell()).fingerprint
    assert canonical.readout.bits == (1, 0)


@pytest.mark.parametrize("level", LEVELS)
def test_a_unitary_on_no_qubit_is_a_global_phase(level: Level) -> None:
    circuit = measured((HGate(), [0]), (UnitaryGate([[1j]]), []), (CXGate(), [0, 1]))
    without = measured((HGate(), [0]), (CXGate(), [0, 1]))
    assert public_fingerprint(circuit, level) == public_fingerprint(without, level)


def test_an_initialized_qubit_needs_no_openqasm() -> None:
    canonical = canonicalize(measured((Initialize([0.6, 0.8]), [0])))
    assert canonical.format == "qis"
    assert "reset" not in canonical.build().count_ops()


@pytest.mark.parametrize(
    "operation",
    [Clifford(CXGate()), AnnotatedOperation(HGate(), [ControlModifier(1)])],
    ids=lambda operation: type(operation).__name__,
)
def test_what_qiskit_can_synthesize_comes_down_to_standard_gates(operation: Any) -> None:
    canonical = canonicalize(measured((operation, [0, 1])))
    assert canonical.build().data
    assert all(instruction.is_standard_gate() for instruction in canonical.build().data)


def test_a_gate_given_by_its_matrix_stays_one_until_it_is_compiled() -> None:
    cycle = UnitaryGate(np.eye(4)[[1, 2, 3, 0]] * [1, 1j, -1, 1])
    canonical = canonicalize(measured((cycle, [2, 0])))
    assert [(step.name, step.qubits) for step in canonical.steps] == [("unitary", (2, 0))]
    (instruction,) = canonical.build().data
    assert np.array_equal(instruction.operation.to_matrix(), cycle.to_matrix())


# -- the fingerprint: what it does not depend on ------------------------------------------------------------


@given(data=st.data())
def test_order_of_independent_gates_names_and_registers_keep_the_fingerprint(
    data: st.DataObject, circuits: st.SearchStrategy[QuantumCircuit]
) -> None:
    circuit = data.draw(circuits)
    order = list(range(len(circuit.data)))
    wires = [{*instruction.qubits, *instruction.clbits} for instruction in circuit.data]
    for place in data.draw(st.lists(st.integers(0, max(len(order) - 2, 0)), max_size=30)):
        if len(order) > 1 and wires[order[place]].isdisjoint(wires[order[place + 1]]):
            order[place : place + 2] = order[place + 1], order[place]
    other = rebuilt(circuit, order, clbits=2)
    other.name, other.global_phase, other.metadata = "🐈", 1.5, {"any": "thing"}
    assert fingerprint(other) == fingerprint(circuit)


@given(data=st.data())
def test_order_of_independent_steps_keeps_the_fingerprint_of_openqasm_too(
    data: st.DataObject, dynamic_circuits: st.SearchStrategy[QuantumCircuit]
) -> None:
    circuit = data.draw(dynamic_circuits)
    order = list(range(len(circuit.data)))
    wires = [{*instruction.qubits, *instruction.clbits} for instruction in circuit.data]
    for place in data.draw(st.lists(st.integers(0, max(len(order) - 2, 0)), max_size=30)):
        if len(order) > 1 and wires[order[place]].isdisjoint(wires[order[place + 1]]):
            order[place : place + 2] = order[place + 1], order[place]
    assert fingerprint(rebuilt(circuit, order)) == fingerprint(circuit)


def test_the_clbit_map_is_no_part_of_the_fingerprint() -> None:
    other = QuantumCircuit(QuantumRegister(1, "a"), QuantumRegister(1, "b"), ClassicalRegister(1), ClassicalRegister(3))
    other.h(0)
    other.cx(0, 1)
    other.barrier()
    other.measure(0, 3)
    assert fingerprint(other) == fingerprint(bell())


def test_a_composite_gate_has_the_fingerprint_of_its_definition() -> None:
    inner = QuantumCircuit(2, name="anything")
    inner.h(1)
    inner.cx(1, 0)
    assert fingerprint(measured((inner.to_gate(), [1, 0]), width=2)) == fingerprint(bell())


@pytest.mark.parametrize("zero", [0, -0.0, np.float64(0), np.int64(0), Parameter("a") * 2])
def test_one_angle_has_one_fingerprint_however_it_is_written(zero: Any) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(zero, 0)
    circuit.measure_all()
    circuit = circuit.assign_parameters([0.0] * circuit.num_parameters)
    assert fingerprint(circuit) == fingerprint(measured((RX(0.0), [0]), width=1))


def RX(angle: float) -> Gate:  # noqa: N802  stands for the class
    circuit = QuantumCircuit(1)
    circuit.rx(angle, 0)
    return circuit.data[0].operation


@pytest.mark.parametrize(
    ("level", "names", "numbers"),
    [
        ("exact", "h\ncx\n", (2, 1, 1, 0)),  # names on each wire; the target of cx; the wire that is referred to
        ("commuting", "h\ncx", (0 * 2 + 0, 1 * 2 + 0, 1)),  # the place of each; the target of cx
    ],
)
def test_the_fingerprint_is_the_sha256_of_texts_and_then_numbers(
    level: Level, names: str, numbers: tuple[int, ...]
) -> None:
    texts = f"qstore-fingerprint-3 {level} qis 2 0\n{names}".encode()
    packed = struct.pack(f"<{len(numbers) + 1}q", len(texts), *numbers)
    assert canonicalize(bell(), level).fingerprint == sha256(texts + packed).hexdigest()


def test_commuting_is_the_level_where_nobody_says_which() -> None:
    one, other = (measured(*gates) for gates in permutations([(CXGate(), [0, 1]), (CXGate(), [0, 2])]))
    assert canonicalize(one, "exact").fingerprint != canonicalize(other, "exact").fingerprint
    assert canonicalize(one).fingerprint == canonicalize(other).fingerprint
    assert canonicalize(one).fingerprint == public_fingerprint(one) == canonicalize(one, "commuting").fingerprint


@pytest.mark.parametrize("change", ["barrier", "idle barrier", "delay", "longer delay"])
def test_exact_keeps_barriers_and_delays_that_commuting_may_leave_out(change: str) -> None:
    def circuit(change: str) -> QuantumCircuit:
        circuit = QuantumCircuit(2, 2)
        circuit.h(0)
        if change == "barrier":
            circuit.barrier()
        if "delay" in change:
            circuit.delay(1e-9 if change == "delay" else 1.2e-9, 0, "s")
        circuit.cx(0, 1)
        if change == "idle barrier":
            circuit.barrier()
        circuit.measure([0, 1], [0, 1])
        return circuit

    others = [circuit(other) for other in ("", "delay", "longer delay") if other != change]
    prints = {canonicalize(other, "exact").fingerprint for other in others}
    assert canonicalize(circuit(change), "exact").fingerprint not in prints
    assert (fingerprint(circuit(change)) == fingerprint(circuit(""))) == (change != "barrier")
    assert canonicalize(circuit(change), "semantic").fingerprint == canonicalize(circuit(""), "semantic").fingerprint


# -- the fingerprint: what it does depend on ----------------------------------------------------------------


def variants() -> dict[str, QuantumCircuit]:
    def build(**change: Any) -> QuantumCircuit:
        plain: dict[str, Any] = {"width": 3, "turn": "ry", "angle": 0.5, "target": 1, "state": 1, "barrier": False}
        choice = plain | change
        circuit = QuantumCircuit(choice["width"])
        getattr(circuit, choice["turn"])(choice["angle"], 0)
        if choice["barrier"]:
            circuit.barrier(0, 1)
        circuit.append(CXGate(ctrl_state=choice["state"]), [0, choice["target"]])
        circuit.append(MCXGate(2, ctrl_state=change.get("open", 3)), [0, 1, 2])
        circuit.measure_all()
        return circuit

    return {
        "plain": build(),
        "two steps of the angle": build(angle=0.5 + 3e-9),
        "sign of the angle": build(angle=-0.5),
        "kind of gate": build(turn="rx"),
        "qubit": build(target=2),
        "number of qubits": build(width=4),
        "control state": build(state=0),
        "one control state of many": build(open=1),
        "barrier": build(barrier=True),
        "reversed": build().reverse_ops().remove_final_measurements(inplace=False).measure_all(inplace=False),
    }


def test_whatever_may_change_the_outcome_changes_the_fingerprint() -> None:
    prints = {change: fingerprint(circuit) for change, circuit in variants().items()}
    assert len(set(prints.values())) == len(prints), prints


def test_a_gate_that_takes_another_ones_name_does_not_take_its_fingerprint() -> None:
    definition = QuantumCircuit(1)
    definition.x(0)
    liar = Gate("h", 1, [])
    liar.definition = definition
    assert fingerprint(measured((liar, [0]))) == fingerprint(measured((XGate(), [0])))
    assert fingerprint(measured((liar, [0]))) != fingerprint(measured((HGate(), [0])))


@pytest.mark.parametrize("level", LEVELS)
def test_openqasm_depends_on_which_measurements_are_read_and_not_on_where_they_are_written(level: Level) -> None:
    def tosses(*clbits: int) -> Canonical:
        circuit = QuantumCircuit(1, 2)
        for clbit in clbits:
            circuit.h(0)
            circuit.measure(0, clbit)
        return canonicalize(circuit, level)

    assert len({tosses(*clbits).fingerprint for clbits in [(0, 1), (0, 0), (0,)]}) == 3
    one, other = tosses(0, 1), tosses(1, 0)
    assert one.fingerprint == other.fingerprint
    assert (one.readout.bits, other.readout.bits) == ((0, 1), (1, 0))


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_equal_fingerprints_mean_equal_distributions(seed: int, interpret: Any, compiler: Any, same: Same) -> None:
    rng = random.Random(seed)
    families: dict[str, list[dict[int, float]]] = defaultdict(list)
    for _ in range(300):
        circuit = QuantumCircuit(3)
        for _ in range(rng.randint(1, 4)):
            one, other = rng.sample(range(3), 2)
            gate, qubits = rng.choice([(HGate(), [one]), (RYGate(0.5), [one]), (CXGate(), [one, other])])
            circuit.append(gate, qubits)
        circuit.measure_all()
        canonical = canonicalize(circuit)
        # Compiled on its own: a remembered wire would make the claim true by itself.
        wire = type(compiler)().compile(canonical, find_backend("simulator"), 0)
        families[canonical.fingerprint].append(interpret(wire, canonical.width))
    shared = [members for members in families.values() if len(members) > 1]
    assert shared
    assert all(same(members[0], member) for members in shared for member in members)


# -- what is refused ----------------------------------------------------------------------------------------


def test_a_circuit_without_qubits_is_refused() -> None:
    with pytest.raises(NoQubitsError):
        canonicalize(QuantumCircuit(0, 1))


@pytest.mark.parametrize("clbits", [0, 2])
def test_a_circuit_that_measures_nothing_is_told_how_to(clbits: int) -> None:
    circuit = QuantumCircuit(2, clbits)
    circuit.h(0)
    with pytest.raises(NoMeasurementError, match="measure_all"):
        canonicalize(circuit)


def test_free_parameters_are_named() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("θ") + Parameter("alpha"), 0)
    circuit.measure(0, 0)
    with pytest.raises(UnboundParametersError, match="alpha, θ"):
        canonicalize(circuit)


def test_a_free_parameter_inside_a_definition_is_named_too() -> None:
    definition = QuantumCircuit(1)
    definition.rx(Parameter("hidden"), 0)
    gate = Gate("mine", 1, [])
    gate.definition = definition
    with pytest.raises(UnboundParametersError, match="hidden"):
        canonicalize(measured((gate, [0])))


def if_test(circuit: QuantumCircuit) -> None:
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)


def for_loop(circuit: QuantumCircuit) -> None:
    with circuit.for_loop(range(3)):
        circuit.x(0)


def while_loop(circuit: QuantumCircuit) -> None:
    with circuit.while_loop((circuit.clbits[0], 0)):
        circuit.x(0)


def switch(circuit: QuantumCircuit) -> None:
    with circuit.switch(circuit.clbits[0]) as case, case(1):
        circuit.x(0)


def box(circuit: QuantumCircuit) -> None:
    with circuit.box():
        circuit.x(0)


def inside_a_composite(circuit: QuantumCircuit) -> None:
    inner = Instruction("innocent", 1, 1, [])
    inner.definition = QuantumCircuit(1, 1)
    if_test(inner.definition)
    circuit.append(inner, [0], [0])


def store(circuit: QuantumCircuit) -> None:
    circuit.store(circuit.clbits[0], expr.lift(True))  # noqa: FBT003  Qiskit takes it by position only


def variable(circuit: QuantumCircuit) -> None:
    circuit.add_var("v", expr.lift(5, types.Uint(8)))


def opaque(circuit: QuantumCircuit) -> None:
    circuit.append(Gate("mystery", 1, []), [0])


def opaque_with_a_standard_name(circuit: QuantumCircuit) -> None:
    circuit.append(Gate("h", 1, []), [0])


def opaque_directive(circuit: QuantumCircuit) -> None:
    circuit.append(Instruction("save_statevector", 1, 0, []), [0])


def not_a_number(circuit: QuantumCircuit) -> None:
    circuit.rx(math.nan, 0)


def infinite(circuit: QuantumCircuit) -> None:
    circuit.rx(math.inf, 0)


def defined_by_itself(circuit: QuantumCircuit) -> None:
    gate = Gate("snake", 1, [])
    gate.definition = QuantumCircuit(1)
    gate.definition._append(gate, [gate.definition.qubits[0]], [])
    circuit.append(gate, [0], copy=False)


@pytest.mark.parametrize(
    "add",
    [
        if_test,
        for_loop,
        while_loop,
        switch,
        box,
        inside_a_composite,
        store,
        variable,
        opaque,
        opaque_with_a_standard_name,
        opaque_directive,
        not_a_number,
        infinite,
        defined_by_itself,
    ],
)
def test_what_ionq_cannot_execute_is_refused(add: Callable[[QuantumCircuit], None]) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    add(circuit)
    with pytest.raises(UnsupportedCircuitError):
        canonicalize(circuit)


def test_a_circuit_composed_of_endless_copies_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flat, "MAX_INSTRUCTIONS", 5000)
    # Every gate is twice the one before; the first leaves no step behind, and costs its time all the same.
    doubling = "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, 40))
    text = f"OPENQASM 2.0; gate g0 a {{ }}\n{doubling} qreg q[1]; creg c[1]; g39 q[0]; measure q -> c;"
    with pytest.raises(CircuitTooLargeError):
        canonicalize(decode(text))


def test_a_qubit_is_known_by_its_place_in_the_circuit_and_not_in_its_register() -> None:
    low, high = QuantumRegister(1, "low"), QuantumRegister(2, "high")
    split, swapped, whole = QuantumCircuit(low, high), QuantumCircuit(high, low), QuantumCircuit(3)
    backwards = QuantumCircuit(list(reversed(QuantumRegister(3, "q"))))
    for circuit in (split, swapped, whole, backwards):
        circuit.h(0)
        circuit.cx(0, 2)
        circuit.measure_all()
    assert len({fingerprint(circuit) for circuit in (split, swapped, whole, backwards)}) == 1
