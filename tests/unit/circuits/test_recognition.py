from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import CXGate, HGate, RZGate, UnitaryGate, XGate

from qstore.circuits import recognition
from qstore.circuits.canonical import canonicalize
from qstore.circuits.recognition import Recognition
from qstore.job import LEVELS


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[QuantumCircuit]:
    """The circuits that were read and not recognized."""
    read: list[QuantumCircuit] = []

    def noted(circuit: QuantumCircuit, *rest: Any) -> Any:
        read.append(circuit)
        return canonicalize(circuit, *rest)

    monkeypatch.setattr(recognition, "canonicalize", noted)
    return read


def circuit(angle: float = 0.5) -> QuantumCircuit:
    made = QuantumCircuit(2, 2, name="mine")
    made.h(0)
    made.rz(angle, 0)
    made.cx(0, 1)
    made.barrier()
    made.measure([0, 1], [0, 1])
    return made


def known(to: Recognition, made: QuantumCircuit) -> None:
    for _ in range(3):
        to.read(made, "commuting")


def test_an_object_is_recognized_from_the_third_time_on(readings: list[QuantumCircuit]) -> None:
    mine = circuit()
    to = Recognition()
    named = [to.read(mine, "commuting") for _ in range(5)]
    assert len(readings) == 2  # most circuits come once, and are not worth remembering
    assert all(each == named[0] for each in named)
    assert named[0].name == "mine"
    assert named[0].canonical == canonicalize(circuit())


def test_a_text_is_recognized_from_the_second_time_on(readings: list[QuantumCircuit]) -> None:
    text = qasm3.dumps(circuit())
    to = Recognition()
    assert to.read(text, "commuting") == to.read("".join(text), "commuting")
    assert len(readings) == 1
    assert to.read(text + "\n", "commuting").canonical == to.read(text, "commuting").canonical
    assert len(readings) == 2


def test_what_was_read_at_one_level_is_read_again_at_another() -> None:
    mine, to = circuit(), Recognition()
    for level in (*LEVELS, *LEVELS, *LEVELS):
        assert to.read(mine, level).canonical == canonicalize(mine, level)


def as_the_last_gate(mine: QuantumCircuit, gate: Gate) -> None:
    last = mine.data.pop()
    mine.append(gate, [0])
    mine.data.append(last)


CHANGES: dict[str, Callable[[QuantumCircuit], object]] = {
    "a gate more": lambda mine: mine.h(1),
    "a gate less": lambda mine: mine.data.pop(0),
    "a gate instead": lambda mine: mine.data.__setitem__(0, mine.data[0].replace(operation=XGate())),
    "an angle instead": lambda mine: mine.data.__setitem__(1, mine.data[1].replace(operation=RZGate(0.6))),
    "an angle, by a bit": lambda mine: mine.data.__setitem__(
        1, mine.data[1].replace(operation=RZGate(math.nextafter(0.5, 1)))
    ),
    "other qubits": lambda mine: mine.data.__setitem__(2, mine.data[2].replace(qubits=mine.qubits[::-1])),
    "an open control": lambda mine: mine.data.__setitem__(2, mine.data[2].replace(operation=CXGate(ctrl_state=0))),
    "popped and appended": lambda mine: as_the_last_gate(mine, HGate()),
    "two gates swapped": lambda mine: mine.data.insert(0, mine.data.pop(1)),
    "all gates": lambda mine: mine.clear(),
    "measured elsewhere": lambda mine: mine.data.__setitem__(4, mine.data[4].replace(clbits=[mine.clbits[1]])),
    "measured from another qubit": lambda mine: mine.data.__setitem__(4, mine.data[4].replace(qubits=[mine.qubits[1]])),
    "a clbit register more": lambda mine: mine.add_register(ClassicalRegister(1, "more")),
    "a register over old clbits": lambda mine: mine.add_register(ClassicalRegister(name="over", bits=mine.clbits[:1])),
    "a qubit register more": lambda mine: mine.add_register(QuantumRegister(1, "more")),
    "another name": lambda mine: setattr(mine, "name", "yours"),
    "no barrier": lambda mine: mine.data.pop(3),
    "a custom gate": lambda mine: mine.append(UnitaryGate([[0, 1], [1, 0]]), [0]),
}


@pytest.mark.parametrize("change", [*CHANGES])
def test_a_circuit_that_was_changed_in_place_is_read_afresh(change: str, readings: list[QuantumCircuit]) -> None:
    mine, to = circuit(), Recognition()
    known(to, mine)
    before = len(readings)
    CHANGES[change](mine)
    if change == "all gates":
        mine.measure(0, 0)
    named = to.read(mine, "commuting")
    assert len(readings) == before + 1
    assert named == recognition.Named(str(mine.name), canonicalize(mine))


def test_parameters_assigned_in_place_are_read_afresh() -> None:
    to, angle = Recognition(), Parameter("angle")
    mine = QuantumCircuit(1, 1)
    mine.rx(angle, 0)
    mine.measure(0, 0)
    mine.assign_parameters({angle: 0.5}, inplace=True)
    known(to, mine)
    other = mine.copy()
    other.data[0] = other.data[0].replace(operation=other.data[0].operation.base_class(0.7))
    known(to, other)
    assert to.read(mine, "commuting").canonical.fingerprint == canonicalize(mine).fingerprint
    assert to.read(other, "commuting").canonical.fingerprint == canonicalize(other).fingerprint
    assert to.read(mine, "commuting") != to.read(other, "commuting")


def test_a_copy_is_another_circuit() -> None:
    to, mine = Recognition(), circuit()
    known(to, mine)
    other = mine.copy()
    known(to, other)
    other.x(0)
    assert to.read(mine, "commuting").canonical == canonicalize(mine)
    assert to.read(other, "commuting").canonical == canonicalize(other) != canonicalize(mine)


def test_gates_that_can_change_unnoticed_are_never_remembered(readings: list[QuantumCircuit]) -> None:
    gate = Gate("mine", 1, [])
    gate.definition = QuantumCircuit(1)
    gate.definition.x(0)
    mine = QuantumCircuit(1, 1)
    mine.append(gate, [0], copy=False)
    mine.measure(0, 0)
    to = Recognition()
    known(to, mine)
    before = to.read(mine, "commuting")
    gate.definition.h(0)
    assert to.read(mine, "commuting").canonical == canonicalize(mine) != before.canonical
    assert len(readings) == 5


def test_a_gate_object_that_is_changed_behind_the_circuits_back_is_what_a_fresh_reading_says() -> None:
    gate = RZGate(0.5)
    mine = QuantumCircuit(1, 1)
    mine.h(0)
    mine.append(gate, [0], copy=False)
    mine.measure(0, 0)
    to = Recognition()
    known(to, mine)
    for changed in (gate, mine.data[1].operation):
        changed.params[0] = 0.7
        assert to.read(mine, "commuting").canonical == canonicalize(mine)
    mine.global_phase = 1.5
    assert to.read(mine, "commuting").canonical == canonicalize(mine)


def test_no_more_is_remembered_than_there_is_room_for(readings: list[QuantumCircuit]) -> None:
    to = Recognition(capacity=2, capacity_steps=1000)
    texts = [qasm3.dumps(circuit(angle)) for angle in (0.1, 0.2, 0.3)]
    for text in texts:
        to.read(text, "commuting")
    assert len(to._seen) == 2
    to.read(texts[1], "commuting")
    assert len(readings) == 3  # still known
    to.read(texts[0], "commuting")
    assert len(readings) == 4  # the oldest was forgotten


def test_large_circuits_take_more_of_the_room() -> None:
    to = Recognition(capacity=1000, capacity_steps=12)  # three circuits of three gates, and one for each
    for angle in range(10):
        to.read(qasm3.dumps(circuit(angle / 10)), "commuting")
        assert to._seen.weight == sum(seen.weight for seen in to._seen._kept.values()) <= 12
    long = QuantumCircuit(1, 1)
    for _ in range(50):
        long.h(0)
    long.measure(0, 0)
    to.read(qasm3.dumps(long), "commuting")
    assert (len(to._seen), to._seen.weight) == (0, 0)


def test_the_dead_are_forgotten() -> None:
    to = Recognition()
    mine = circuit()
    known(to, mine)
    assert len(to._seen) == 1
    del mine
    gc.collect()
    to.read("OPENQASM 3.0; qubit q; bit c; c = measure q;", "commuting")
    assert [seen.circuit for seen in to._seen._kept.values()] == [None]
    assert to._seen.weight == sum(seen.weight for seen in to._seen._kept.values())


def test_another_circuit_at_the_address_of_a_dead_one_is_read_for_what_it_is() -> None:
    to = Recognition()
    mine = circuit()
    known(to, mine)
    old = next(iter(to._seen._kept))
    seen = to._seen._kept[old]
    del mine
    gc.collect()
    other = circuit(0.9)
    # an address comes back when it likes: here it does at once
    to._seen._kept = type(to._seen._kept)({(id(other), "commuting"): seen})
    for _ in range(3):
        assert to.read(other, "commuting").canonical == canonicalize(other)


def test_threads_read_what_they_would_alone() -> None:
    to = Recognition(capacity=5)
    circuits = [circuit(angle) for angle in range(8)]
    wanted = [canonicalize(each) for each in circuits]
    wrong: list[int] = []
    start = threading.Barrier(4)

    def read(offset: int) -> None:
        start.wait(10)
        for turn in range(200):
            number = (turn * 3 + offset) % len(circuits)
            if to.read(circuits[number], "commuting").canonical != wanted[number]:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert len(to._seen) <= 5
    assert to._seen.weight == sum(seen.weight for seen in to._seen._kept.values())
