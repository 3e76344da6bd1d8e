from __future__ import annotations

import inspect
import json
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import qiskit
import qiskit_ionq
from qiskit import QuantumCircuit
from qiskit.circuit.library import CCXGate, MCPhaseGate, MCXGate, PauliEvolutionGate, UnitaryGate
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparsePauliOp, random_unitary
from qiskit.transpiler import PassManager

from qstore.circuits import compiler as module
from qstore.circuits.canonical import Canonical, canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.targets import Backend, find_backend
from qstore.errors import CircuitTooLargeError, CircuitTooWideError, UnsupportedCircuitError

SIMULATOR = find_backend("simulator")


def measured(width: int, *build: Callable[[QuantumCircuit], Any]) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for add in build:
        add(circuit)
    circuit.measure_all()
    return circuit


def turned(angle: float) -> QuantumCircuit:
    return measured(1, lambda circuit: circuit.rx(angle, 0))


@pytest.mark.parametrize("level", range(4))
def test_a_bell_pair_is_two_gates_in_compact_json(level: int) -> None:
    circuit = measured(2, lambda c: c.h(0), lambda c: c.cx(0, 1))
    wire = Compiler().compile(canonicalize(circuit), SIMULATOR, level)
    assert wire == b'[{"gate":"h","targets":[0]},{"gate":"x","targets":[1],"controls":[0]}]'


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("adds", [[], [lambda c: c.id(0), lambda c: c.barrier(), lambda c: c.id(1)]])
def test_a_circuit_that_does_nothing_is_an_empty_list(level: int, adds: list[Any]) -> None:
    assert Compiler().compile(canonicalize(measured(2, *adds)), SIMULATOR, level) == b"[]"


@pytest.mark.parametrize("level", range(4))
def test_only_gates_with_a_documented_wire_form_are_sent(level: int) -> None:
    circuit = measured(
        5,
        lambda c: c.u(1, 2, 3, 0),
        lambda c: c.cswap(0, 1, 2),
        lambda c: c.append(UnitaryGate(random_unitary(8, seed=3)), [0, 1, 2]),
        lambda c: c.append(PauliEvolutionGate(SparsePauliOp(["XYZ", "ZZI"]), time=0.2), [2, 1, 0]),
        lambda c: c.append(MCXGate(4), range(5)),
        lambda c: c.append(MCPhaseGate(0.4, 3), range(4)),
        lambda c: c.append(CCXGate(ctrl_state=0), range(3)),
        lambda c: c.delay(10, 0),
        lambda c: c.barrier(),
        lambda c: c.iswap(0, 1),
    )
    names = {gate["gate"] for gate in json.loads(Compiler().compile(canonicalize(circuit), SIMULATOR, level))}
    documented = "x y z h s si t ti v vi rx ry rz xx yy zz swap"
    assert names <= set(documented.split())


@pytest.mark.parametrize("level", range(4))
def test_many_controls_travel_as_one_gate(level: int) -> None:
    circuit = measured(5, lambda c: c.append(MCXGate(4), [4, 3, 2, 1, 0]))
    (gate,) = json.loads(Compiler().compile(canonicalize(circuit), SIMULATOR, level))
    assert gate == {"gate": "x", "targets": [0], "controls": [4, 3, 2, 1]}


def test_foreign_gates_that_undo_each_other_are_gone_before_they_are_translated() -> None:
    circuit = canonicalize(measured(3, lambda c: c.ccx(0, 1, 2), lambda c: c.ccx(1, 0, 2)))
    assert Compiler().compile(circuit, SIMULATOR, 1) == b"[]"
    assert len(json.loads(Compiler().compile(circuit, SIMULATOR, 0))) > 2


def test_a_qubit_measured_in_the_middle_travels_as_openqasm() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)
    text = json.loads(Compiler().compile(canonicalize(circuit), SIMULATOR, 1))
    assert text.startswith("OPENQASM 3.0;")
    assert text.index("c[0] = measure q[0];") < text.index("h q[0];\nc[1] = measure q[0];")


# -- limits -------------------------------------------------------------------------------------------------


def test_too_wide_a_circuit_is_told_both_widths_and_where_it_would_fit() -> None:
    with pytest.raises(CircuitTooWideError) as refusal:
        Compiler().compile(canonicalize(measured(30)), SIMULATOR, 1)
    message = str(refusal.value)
    assert "30 qubits, simulator has 29" in message
    assert "qpu.forte-1, qpu.forte-enterprise-1" in message
    assert "aria" not in message
    assert Compiler().compile(canonicalize(measured(30)), find_backend("qpu.forte-1"), 1) == b"[]"


def test_a_circuit_too_wide_for_all_is_told_so() -> None:
    with pytest.raises(CircuitTooWideError, match="no backend is wide enough"):
        Compiler().compile(canonicalize(measured(37)), find_backend("qpu.forte-1"), 1)


def test_too_many_gates_are_refused_before_and_after_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GATES", 3)
    four = measured(1, *[lambda c: c.x(0)] * 4)
    with pytest.raises(CircuitTooLargeError, match="4 gates"):
        Compiler().compile(canonicalize(four), SIMULATOR, 1)
    with pytest.raises(CircuitTooLargeError, match="gates"):  # one gate, that becomes many
        Compiler().compile(canonicalize(measured(3, lambda c: c.cswap(0, 1, 2))), SIMULATOR, 0)


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WIRE_BYTES", 40)
    with pytest.raises(CircuitTooLargeError, match="bytes"):
        Compiler().compile(canonicalize(turned(0.5)), SIMULATOR, 1)


def test_what_qiskit_raises_is_said_as_our_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the cause in Qiskit's words")

    monkeypatch.setattr(PassManager, "run", fail)
    with pytest.raises(UnsupportedCircuitError, match="the cause in Qiskit's words"):
        Compiler().compile(canonicalize(turned(0.5)), SIMULATOR, 2)


# -- what it remembers --------------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every compilation that really happened."""
    happened: list[str] = []
    plain = Compiler._gate_list

    def count(self: Compiler, canonical: Canonical, backend: Backend, level: int) -> bytes:
        happened.append(f"{backend.name} {level}")
        return plain(self, canonical, backend, level)

    monkeypatch.setattr(Compiler, "_gate_list", count)
    return happened


def test_the_same_circuit_is_compiled_once_for_each_width_and_level(runs: list[str]) -> None:
    compiler = Compiler()
    for name in ("qpu.aria-1", "qpu.aria-1", "qpu.aria-2", "simulator"):
        for level in (0, 1, 1):
            compiler.compile(canonicalize(turned(0.5)), find_backend(name), level)
    assert runs == ["qpu.aria-1 0", "qpu.aria-1 1", "simulator 0", "simulator 1"]


def test_what_was_used_longest_ago_is_forgotten_first(runs: list[str]) -> None:
    compiler = Compiler(capacity=2)
    for angle in (0.1, 0.2, 0.1, 0.3, 0.1, 0.2):
        compiler.compile(canonicalize(turned(angle)), SIMULATOR, 1)
    assert len(runs) == 4  # 0.1, 0.2, 0.3, and 0.2 again


def test_what_is_remembered_is_bounded_in_bytes_too(runs: list[str]) -> None:
    circuits = [canonicalize(turned(angle)) for angle in (0.25, 0.5, 0.75)]
    size = len(Compiler().compile(circuits[0], SIMULATOR, 1))
    runs.clear()
    compiler = Compiler(capacity_bytes=2 * size + 1)
    for circuit in (*circuits, *reversed(circuits)):
        compiler.compile(circuit, SIMULATOR, 1)
    assert len(runs) in {4, 5}  # two fit, whichever way the third is a little longer or shorter


def test_as_many_circuits_are_remembered_as_it_says(runs: list[str]) -> None:
    default = inspect.signature(Compiler).parameters["capacity"].default
    assert default == 1000
    compiler = Compiler(capacity=default)
    circuits = [canonicalize(turned(0.001 + number / 1000)) for number in range(default + 1)]
    for circuit in circuits:
        compiler.compile(circuit, SIMULATOR, 1)
    runs.clear()
    for circuit in circuits[:0:-1]:
        compiler.compile(circuit, SIMULATOR, 1)
    assert runs == []
    compiler.compile(circuits[0], SIMULATOR, 1)
    assert len(runs) == 1


def test_what_another_process_compiled_is_not_compiled_again(runs: list[str]) -> None:
    compiler, circuit = Compiler(), canonicalize(turned(0.5))
    compiler.remember(circuit, SIMULATOR, 2, b"[]")
    assert compiler.compile(circuit, SIMULATOR, 2) == b"[]"
    assert compiler.ready(circuit, SIMULATOR, 2) == b"[]"
    assert runs == []
    assert compiler.compile(circuit, SIMULATOR, 1) != b"[]"


# -- under which name ---------------------------------------------------------------------------------------


def test_the_name_of_a_compiled_circuit_tells_all_that_decides_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, circuit = Compiler(), canonicalize(turned(0.5))
    names = [
        compiler.key(circuit, SIMULATOR, 1),
        compiler.key(canonicalize(turned(0.6)), SIMULATOR, 1),
        compiler.key(circuit, find_backend("qpu.forte-1"), 1),
        compiler.key(circuit, SIMULATOR, 2),
    ]
    for package, version in ((qiskit, "99.1"), (qiskit_ionq, "99.2")):
        with monkeypatch.context() as patch:
            patch.setattr(package, "__version__", version)
            names.append(Compiler().key(circuit, SIMULATOR, 1))
            assert version in names[-1]
    with monkeypatch.context() as patch:
        patch.setattr(module, "VERSION", "qstore-compiler-99")
        names.append(Compiler().key(circuit, SIMULATOR, 1))
    assert circuit.fingerprint in names[0]
    assert len(set(names)) == len(names)


def test_backends_of_one_width_share_a_name_and_so_do_processes() -> None:
    circuit = canonicalize(turned(0.5))
    assert Compiler().key(circuit, find_backend("qpu.aria-1"), 0) == Compiler().key(
        canonicalize(turned(0.5)), find_backend("qpu.aria-2"), 0
    )


# -- what takes no time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 1])
def test_a_short_circuit_is_ready_with_what_compiling_it_makes(level: int) -> None:
    circuit = canonicalize(measured(3, lambda c: c.u(1, 2, 3, 0), lambda c: c.ccx(0, 1, 2), lambda c: c.barrier()))
    assert Compiler().ready(circuit, SIMULATOR, level) == Compiler().compile(circuit, SIMULATOR, level)


@pytest.mark.parametrize(
    ("circuit", "level"),
    [
        (measured(1, *[lambda c: c.sx(0)] * 65), 1),
        (measured(2, lambda c: c.append(UnitaryGate(random_unitary(4, seed=1)), [0, 1])), 1),
        (turned(0.5), 2),
    ],
    ids=["many gates", "a matrix", "level 2"],
)
def test_what_takes_time_is_not_ready_before_it_was_compiled(circuit: QuantumCircuit, level: int) -> None:
    compiler, canonical = Compiler(), canonicalize(circuit)
    assert compiler.ready(canonical, SIMULATOR, level) is None
    wire = compiler.compile(canonical, SIMULATOR, level)
    assert compiler.ready(canonical, SIMULATOR, level) == wire


def test_at_levels_0_and_1_qiskit_compiles_no_circuit_of_known_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler()

    def turned_together(angle: float) -> Canonical:
        return canonicalize(measured(2, lambda c: c.cu(angle, 2, 3, 4, 0, 1), lambda c: c.h(0)))

    compiler.compile(turned_together(0.1), SIMULATOR, 1)
    monkeypatch.setattr(PassManager, "run", None)
    for level in (0, 1):
        compiler.compile(turned_together(0.2), SIMULATOR, level)


def test_a_circuit_larger_than_the_memory_is_compiled_all_the_same() -> None:
    compiler = Compiler(capacity_bytes=1)
    first = compiler.compile(canonicalize(turned(0.5)), SIMULATOR, 1)
    assert compiler.compile(canonicalize(turned(0.5)), SIMULATOR, 1) == first


def test_threads_share_a_compiler_and_get_what_one_alone_gets(
    interpret: Callable[[bytes, int], dict[int, float]], same: Callable[[Any, Any], bool]
) -> None:
    circuits = [canonicalize(random_circuit(4, 6, max_operands=3, measure=True, seed=seed)) for seed in range(24)]
    alone = [Compiler().compile(circuit, SIMULATOR, place % 4) for place, circuit in enumerate(circuits)]
    shared, start = Compiler(capacity=0), threading.Barrier(6)

    def compile_all(turn: int) -> dict[int, bytes]:
        start.wait(timeout=30)
        order = [(place * 5 + turn * 7) % len(circuits) for place in range(len(circuits))]
        return {place: shared.compile(circuits[place], SIMULATOR, place % 4) for place in order}

    with ThreadPoolExecutor(6) as pool:
        for compiled in pool.map(compile_all, range(6)):
            for place, wire in enumerate(alone):
                if place % 4 < 2:
                    assert compiled[place] == wire
                else:  # Qiskit itself compiles differently every time
                    assert same(interpret(compiled[place], 4), interpret(wire, 4))


def test_a_child_forked_after_a_compilation_compiles_too() -> None:
    def general(angle: float) -> Canonical:
        circuit = QuantumCircuit(3, 3)
        for qubit in range(3):
            circuit.u(angle, 0.2, 0.3, qubit)
            circuit.u(0.1, angle, 0.3, qubit)
        circuit.measure(range(3), range(3))
        return canonicalize(circuit)

    compiler, backend = Compiler(), find_backend("simulator")
    compiler.compile(general(0.3), backend, 2)
    child = multiprocessing.get_context("fork").Process(target=compiler.compile, args=(general(0.4), backend, 2))
    child.start()
    child.join(30)
    stuck = child.is_alive()
    child.kill()
    child.join()
    assert not stuck
    assert child.exitcode == 0
