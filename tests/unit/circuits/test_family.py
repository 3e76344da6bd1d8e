"""A member of a family is the circuit that `assign_parameters` makes, in name and in deed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import PauliEvolutionGate, RYGate, XXPlusYYGate, efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qstore.circuits import family as module
from qstore.circuits import stencil
from qstore.circuits.canonical import canonicalize
from qstore.circuits.codec import decode
from qstore.circuits.compiler import Compiler
from qstore.circuits.family import Family
from qstore.circuits.targets import find_backend
from qstore.errors import (
    CircuitTooWideError,
    InvalidParameterValuesError,
    NoMeasurementError,
    UnsupportedCircuitError,
)
from qstore.job import LEVELS, Level

SIMULATOR = find_backend("simulator")
A, B = Parameter("a"), Parameter("b")

Build = Callable[[QuantumCircuit], object]


def template(*adds: Build, width: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width)
    for add in adds:
        add(circuit)
    circuit.measure(range(width), range(width))
    return circuit


def ansatz() -> QuantumCircuit:
    circuit = efficient_su2(4, reps=2)
    circuit.measure_all()
    return circuit


def alternating() -> QuantumCircuit:
    gammas, betas = ParameterVector("gamma", 2), ParameterVector("beta", 2)
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for gamma, beta in zip(gammas, betas, strict=True):
        for qubit in range(4):
            circuit.rzz(-2 * gamma / 3, qubit, (qubit + 1) % 4)
        circuit.rx(2 * beta, range(4))
    circuit.measure_active()
    return circuit


def composed() -> QuantumCircuit:
    inner = QuantumCircuit(2, name="inner")
    inner.u(A, B, A * B, 0)
    inner.cx(0, 1)
    evolution = PauliEvolutionGate(SparsePauliOp(["XXI", "IZY"], [0.3, 0.7]), time=A + 1)
    return template(lambda c: c.append(inner.to_gate(), [2, 0]), lambda c: c.append(evolution, range(3)))


TEMPLATES: dict[str, Callable[[], QuantumCircuit]] = {
    "ansatz": ansatz,
    "alternating": alternating,
    "composed": composed,
    "foreign": lambda: template(
        lambda c: c.u(A, B, 0.3, 0),
        lambda c: c.cu(A, 2 * B, 0.1, A - B, 0, 1),
        lambda c: c.append(XXPlusYYGate(A, B), [2, 1]),
        lambda c: c.cswap(0, 1, 2),
    ),
    "in a row": lambda: template(lambda c: (c.rx(A, 0), c.rz(B, 0), c.rx(A + B, 0), c.rz(1, 0)), lambda c: c.h(1)),
    "same twice": lambda: template(lambda c: (c.rz(A, 0), c.rz(B, 0), c.rzz(A, 0, 1), c.rzz(B, 0, 1))),
    "curved": lambda: template(lambda c: (c.ry(A.sin() * B, 0), c.cx(0, 1), c.p(A**2, 1))),
    "by numbers": lambda: template(
        lambda c: c.append(RYGate(A).control(2, annotated=True), range(3)), lambda c: c.crx(B, 0, 1)
    ),
    "constant": lambda: template(lambda c: (c.rx(0 * A, 0), c.rz(B, 0))),
    "phase only": lambda: template(lambda c: setattr(c, "global_phase", A), lambda c: c.h(0)),
    "canceling": lambda: template(lambda c: (c.cx(0, 1), c.rx(A, 2), c.cx(0, 1), c.h(2), c.barrier(), c.h(2))),
    "in the middle": lambda: template(lambda c: (c.ry(A, 0), c.measure(0, 0), c.ry(B, 0))),
    "openqasm": lambda: decode(
        'OPENQASM 3.0; include "stdgates.inc"; input float[64] a; input angle[32] b; qubit[2] q; bit[2] c;'
        "ry(a) q[0]; rz(2*b + a) q[1]; cx q[0], q[1]; c = measure q;"
    ),
}


def bindings(circuit: QuantumCircuit) -> list[list[float]]:
    """Any numbers, and such that gates vanish, merge, commute, or turn many times."""
    count = circuit.num_parameters
    special = (0.0, -0.0, math.pi, math.pi / 2, -2 * math.pi, 2000.3)
    return [*np.random.default_rng(3).uniform(-9, 9, (8, count)).tolist(), *([value] * count for value in special)]


def family(circuit: QuantumCircuit, optimization_level: int = 1, level: Level = "commuting") -> Family:
    return Family(circuit, Compiler(), SIMULATOR, optimization_level, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_member_is_what_the_bound_circuit_is(name: str, level: Level) -> None:
    circuit = TEMPLATES[name]()
    made = family(circuit, level=level)
    for values in bindings(circuit):
        member = made.member(values).canonical
        alone = canonicalize(circuit.assign_parameters(values), level)
        assert tuple(member.steps) == alone.steps
        assert len(member.steps) == len(alone.steps)
        assert member.fingerprint == alone.fingerprint
        assert (member.readout, member.format, member.width) == (alone.readout, alone.format, alone.width)
        assert (member.qubits, member.gates) == (alone.qubits, alone.gates)


@pytest.mark.parametrize("optimization_level", [0, 1])
@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"in the middle"}))
def test_the_wire_of_a_member_does_what_that_of_the_bound_circuit_does(
    name: str,
    optimization_level: int,
    interpret: Callable[[bytes, int], dict[int, float]],
    same: Callable[[Any, Any], bool],
) -> None:
    circuit = TEMPLATES[name]()
    made = family(circuit, optimization_level)
    for values in bindings(circuit):
        member = made.member(values)
        alone = Compiler().compile(canonicalize(circuit.assign_parameters(values)), SIMULATOR, optimization_level)
        wire = member.wire or Compiler().compile(member.canonical, SIMULATOR, optimization_level)
        assert same(interpret(wire, member.canonical.width), interpret(alone, member.canonical.width))
        assert len(json.loads(wire)) == len(json.loads(alone))


@pytest.mark.parametrize("name", ["ansatz", "foreign", "in a row", "same twice"])
def test_the_wire_of_a_member_with_nothing_special_comes_with_it(name: str) -> None:
    circuit = TEMPLATES[name]()
    for optimization_level in (0, 1):
        values = bindings(circuit)[0]
        wire = family(circuit, optimization_level).member(values).wire
        assert wire is not None
        alone = Compiler().compile(canonicalize(circuit.assign_parameters(values)), SIMULATOR, optimization_level)
        gates, others = json.loads(wire), json.loads(alone)
        turns = [
            (gate.pop("rotation", 0.0), other.pop("rotation", 0.0)) for gate, other in zip(gates, others, strict=True)
        ]
        assert gates == others
        assert [turn for turn, _ in turns] == pytest.approx([other for _, other in turns], abs=1e-9)


def test_gates_that_vanish_for_some_values_are_not_sent_for_those() -> None:
    circuit = template(lambda c: (c.rx(A, 0), c.rx(B, 0), c.h(1)))
    made = family(circuit)
    for values, gates in (([0.4, 0.3], 2), ([0.3, -0.3], 1), ([0.0, 0.3], 2)):
        member = made.member(values)
        wire = member.wire or Compiler().compile(member.canonical, SIMULATOR, 1)
        assert len(json.loads(wire)) == gates


@pytest.mark.parametrize("name", ["ansatz", "alternating", "composed", "canceling", "openqasm"])
def test_members_are_taken_apart_and_compiled_once_for_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = TEMPLATES[name]()
    values = bindings(circuit)[0]
    expected = canonicalize(circuit.assign_parameters(values)).fingerprint
    made = family(circuit)
    for used in ("canonicalize", "canonical_of", "flatten"):
        monkeypatch.setattr(module, used, None)
    member = made.member(values)
    assert member.wire is not None
    assert member.canonical.fingerprint == expected


@pytest.mark.parametrize("optimization_level", [2, 3])
def test_from_level_2_on_members_are_compiled_one_by_one(optimization_level: int) -> None:
    circuit = ansatz()
    member = family(circuit, optimization_level).member(bindings(circuit)[0])
    assert member.wire is None
    assert Compiler().compile(member.canonical, SIMULATOR, optimization_level)


def test_a_form_that_leads_astray_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stencil.FingerprintStencil, "at", lambda *_: "0" * 64)
    monkeypatch.setattr(stencil.WireStencil, "at", lambda *_: b"[]")
    circuit = ansatz()
    values = bindings(circuit)[0]
    member = family(circuit).member(values)
    assert member.canonical == canonicalize(circuit.assign_parameters(values))
    assert member.wire is None


def test_a_number_of_the_author_is_not_taken_for_one_to_come() -> None:
    (chosen,) = module._spread(1, module._FIRST)
    circuit = template(lambda c: c.rx(chosen, 1), lambda c: c.rx(A, 0))
    member = family(circuit).member([0.8])
    assert tuple(member.canonical.steps) == canonicalize(circuit.assign_parameters([0.8])).steps


def test_a_wire_that_leads_astray_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stencil.WireStencil, "at", lambda *_: b"[]")
    circuit = ansatz()
    assert family(circuit).member(bindings(circuit)[0]).wire is None


@pytest.mark.parametrize("level", LEVELS)
def test_too_long_a_wire_is_left_to_the_compiler(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = ansatz()
    made = family(circuit, level=level)
    assert made.member(bindings(circuit)[0]).wire
    monkeypatch.setattr(module, "MAX_WIRE_BYTES", 100)
    assert made.member(bindings(circuit)[0]).wire is None


# -- what is refused ----------------------------------------------------------------------------------------


def test_a_template_without_parameters_is_refused() -> None:
    with pytest.raises(InvalidParameterValuesError, match="no free parameters"):
        family(template(lambda c: c.h(0)))


def test_faults_of_the_template_are_told_at_once() -> None:
    silent, wide = QuantumCircuit(1), template(lambda c: c.rx(A, 0), width=30)
    silent.rx(A, 0)
    with pytest.raises(NoMeasurementError):
        family(silent)
    with pytest.raises(CircuitTooWideError):
        family(wide)
    wide.append(RYGate(A).control(2, annotated=True), range(3))  # the long way, too
    with pytest.raises(CircuitTooWideError):
        family(wide)
    looping = template(lambda c: c.rx(A, 0))
    with looping.for_loop(range(2)):
        looping.x(0)
    with pytest.raises(UnsupportedCircuitError, match="control flow"):
        family(looping)


def test_values_that_do_not_fit_fail_alone() -> None:
    made = family(ansatz())
    with pytest.raises(InvalidParameterValuesError, match="There are 1 parameter values"):
        made.member([0.1])
    assert made.member(bindings(ansatz())[0]).wire


def test_values_for_which_a_formula_has_no_value_fail_alone() -> None:
    circuit = template(lambda c: c.rx((A - 5).log(), 0))
    made = family(circuit)
    with pytest.raises(UnsupportedCircuitError, match="cannot be bound"):
        made.member([1.0])
    member = made.member([6.5])
    assert member.canonical == canonicalize(circuit.assign_parameters([6.5]))
