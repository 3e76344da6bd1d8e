"""Circuits with control flow are named by what they are made of, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import CASE_DEFAULT, BreakLoopOp, ContinueLoopOp, ForLoopOp, Parameter
from qiskit.circuit.classical import expr, types

from qstore.circuits.canonical import fingerprint
from qstore.errors import UnsupportedCircuitError
from qstore.job import LEVELS, Level

Add = Callable[[QuantumCircuit], object]


def block(*gates: str) -> QuantumCircuit:
    """One qubit's gates."""
    circuit = QuantumCircuit(1)
    for gate in gates:
        getattr(circuit, gate)(0)
    return circuit


def with_added(add: Add, names: tuple[str, str] = ("q", "c")) -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(2, names[0]), ClassicalRegister(2, names[1]), ClassicalRegister(1, "d"))
    circuit.h(0)
    circuit.h(1)
    circuit.measure([0, 1], [0, 1])
    add(circuit)
    circuit.measure(0, 2)
    return circuit


KINDS: dict[str, Add] = {
    "nothing": lambda c: c,
    "if": lambda c: c.if_test((c.clbits[0], 1), block("x"), [0], []),
    "if not": lambda c: c.if_test((c.clbits[0], 0), block("x"), [0], []),
    "if another": lambda c: c.if_test((c.clbits[1], 1), block("x"), [0], []),
    "if then something else": lambda c: c.if_test((c.clbits[0], 1), block("y"), [0], []),
    "if on another qubit": lambda c: c.if_test((c.clbits[0], 1), block("x"), [1], []),
    "if twice": lambda c: [c.if_test((c.clbits[0], 1), block("x"), [0], []) for _ in range(2)],
    "if of two": lambda c: c.if_test((c.clbits[0], 1), block("x", "x"), [0], []),
    "else": lambda c: c.if_else((c.clbits[0], 1), block(), block("x"), [0], []),
    "if and else": lambda c: c.if_else((c.clbits[0], 1), block("x"), block("x"), [0], []),
    "if register": lambda c: c.if_test((c.cregs[0], 1), block("x"), [0], []),
    "if register is more": lambda c: c.if_test((c.cregs[0], 2), block("x"), [0], []),
    "if expression": lambda c: c.if_test(expr.logic_not(c.clbits[0]), block("x"), [0], []),
    "if other expression": lambda c: c.if_test(expr.less(c.cregs[0], 1), block("x"), [0], []),
    "if third expression": lambda c: c.if_test(expr.less(c.cregs[0], 2), block("x"), [0], []),
    "if fourth expression": lambda c: c.if_test(expr.greater(c.cregs[0], 2), block("x"), [0], []),
    "while": lambda c: c.while_loop((c.clbits[0], 1), block("x"), [0], []),
    "for": lambda c: c.for_loop(range(2), None, block("x"), [0], []),
    "for longer": lambda c: c.for_loop(range(3), None, block("x"), [0], []),
    "switch": lambda c: c.switch(c.cregs[0], [(1, block("x"))], [0], []),
    "switch another": lambda c: c.switch(c.cregs[0], [(2, block("x"))], [0], []),
    "switch any": lambda c: c.switch(c.cregs[0], [(CASE_DEFAULT, block("x"))], [0], []),
    "switch others": lambda c: c.switch(c.cregs[0], [((1, 2), block("x"))], [0], []),
    "switch two": lambda c: c.switch(c.cregs[0], [(1, block("x")), (2, block("x"))], [0], []),
    "box": lambda c: c.box(block("x"), [0], []),
    "box of some length": lambda c: c.box(block("x"), [0], [], duration=100, unit="ns"),
    "no box": lambda c: c.x(0),
}


@pytest.mark.parametrize("level", LEVELS)
def test_every_structure_has_a_fingerprint_of_its_own(level: Level) -> None:
    prints = {kind: fingerprint(with_added(add), level) for kind, add in KINDS.items()}
    assert len({*prints.values()}) == len(prints), prints


@pytest.mark.parametrize("kind", [*KINDS])
def test_names_are_no_part_of_it(kind: str) -> None:
    for level in LEVELS:
        one, other = with_added(KINDS[kind]), with_added(KINDS[kind], ("量", "größe"))
        other.name, other.metadata = "another", {"by": "another"}
        assert fingerprint(one, level) == fingerprint(other, level)


def test_a_loop_over_a_parameter_is_known_by_its_values() -> None:
    def loop(values: Iterable[int], name: str = "p") -> QuantumCircuit:
        parameter = Parameter(name)
        body = QuantumCircuit(1)
        body.rx(parameter * 0.5, 0)
        return with_added(lambda circuit: circuit.for_loop(values, parameter, body, [0], []))

    assert fingerprint(loop([1, 2])) == fingerprint(loop(range(1, 3), "another name"))
    assert len({fingerprint(loop(values)) for values in ([1, 2], [2, 1], [1], [1, 2, 2])}) == 4


def broken(*order: str, leap: Any = BreakLoopOp) -> QuantumCircuit:
    """A loop that leaves its block, on fewer wires than it has."""
    leave = QuantumCircuit(1, 1)
    leave.append(leap(1, 1), [0], [0])
    body = QuantumCircuit(2, 1)
    for what in order:
        if what == "x":
            body.x(1)
        else:
            body.if_test((body.clbits[0], 1), leave, [0], [0])
    return with_added(lambda circuit: circuit.for_loop(range(3), None, body, [0, 1], [0]))


@pytest.mark.parametrize("level", LEVELS)
def test_a_leap_out_of_a_loop_comes_before_or_behind_every_gate_in_it(level: Level) -> None:
    assert fingerprint(broken("x", "leave"), level) != fingerprint(broken("leave", "x"), level)
    assert fingerprint(broken("leave"), level) != fingerprint(broken("leave", leap=ContinueLoopOp), level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_loop_over_nothing_is_nothing(level: Level) -> None:
    def add(circuit: QuantumCircuit) -> None:
        circuit.append(ForLoopOp(range(3), None, QuantumCircuit()), [], [])

    empty, plain = QuantumCircuit(1), QuantumCircuit(1)
    add(empty)
    empty.h(0)
    plain.h(0)
    assert fingerprint(empty, level)
    one, other = QuantumCircuit(1), QuantumCircuit(1)
    one.x(0)
    other.for_loop(range(1), None, block("x"), [0], [])
    assert fingerprint(one, level) != fingerprint(other, level)


def test_gates_move_neither_into_a_block_nor_out_of_it() -> None:
    def circuit(*, inside: bool) -> QuantumCircuit:
        def add(circuit: QuantumCircuit) -> None:
            circuit.if_test((circuit.clbits[0], 1), block("z", "x") if inside else block("x"), [0], [])
            if not inside:
                circuit.z(0)

        return with_added(add)

    for level in LEVELS:
        assert fingerprint(circuit(inside=True), level) != fingerprint(circuit(inside=False), level)


def test_classical_variables_are_refused() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.add_var("v", expr.lift(5, types.Uint(8)))
    with pytest.raises(UnsupportedCircuitError):
        fingerprint(circuit)
