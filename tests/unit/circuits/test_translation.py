"""Translated gates do the same, and Qiskit is asked once for each kind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import (
    CCXGate,
    CRXGate,
    CXGate,
    HGate,
    RXXGate,
    SwapGate,
    get_standard_gate_name_mapping,
    iSwapGate,
)
from qiskit.quantum_info import Operator, random_unitary
from qiskit.transpiler import generate_preset_pass_manager

from qstore.circuits.flat import Step, build
from qstore.circuits.targets import BACKENDS, target
from qstore.circuits.translation import Affine, Translation
from qstore.errors import CircuitTooLargeError

TARGET = target(BACKENDS["simulator"])
LEVEL_0 = generate_preset_pass_manager(optimization_level=0, target=TARGET)
FOREIGN = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and gate.num_qubits and name not in TARGET.operation_names
}


@pytest.fixture
def asked() -> list[str]:
    """What Qiskit was asked to translate."""
    return []


@pytest.fixture
def translation(asked: list[str]) -> Translation:
    def compile_plainly(circuit: QuantumCircuit) -> QuantumCircuit:
        asked.extend(circuit.count_ops())
        return LEVEL_0.run(circuit)

    return Translation(TARGET.operation_names, compile_plainly)


@pytest.mark.parametrize("name", FOREIGN)
def test_every_foreign_gate_is_spelled_in_the_targets_gates(name: str, translation: Translation) -> None:
    gate = FOREIGN[name]
    on = tuple(range(gate.num_qubits))[::-1]
    for turn in (0.3, -2.2, math.pi):
        step = Step(name, on, (), tuple(turn + 0.4 * place for place in range(len(gate.params))))
        spelled = translation.translate([step], 100)
        assert spelled is not None
        assert {each.name for each in spelled} <= set(TARGET.operation_names)
        there, here = (Operator(build(each, len(on), 0)) for each in ([step], spelled))
        assert here.equiv(there, atol=1e-9)


def test_qiskit_is_asked_once_for_each_kind_of_gate(translation: Translation, asked: list[str]) -> None:
    steps = [Step("iswap", (0, 1), (), ()), Step("rzx", (1, 0), (), (0.1,)), Step("h", (0,), (), ())] * 3
    for _ in range(2):
        translation.translate(steps, 100)
    assert asked == ["iswap", "rzx"]


def test_what_the_target_knows_stays_as_it_is(translation: Translation, asked: list[str]) -> None:
    steps = [Step("cx", (0, 1), (), ()), Step("barrier", (0, 1), (), ()), Step("id", (0,), (), ())]
    assert translation.translate(steps, 0) is steps
    assert asked == []


@pytest.mark.parametrize(
    "matrix",
    [
        *[random_unitary(2**width, seed=width).data for width in (1, 2, 3)],
        *[Operator(gate).data for gate in (CRXGate(0.3), SwapGate(), iSwapGate(), RXXGate(0.4), CCXGate(), HGate())],
        *[Operator.from_label(label).data for label in ("I", "II", "XH", "ZTS")],
    ],
)
def test_a_matrix_is_spelled_the_same_way_every_time(matrix: np.ndarray[Any, Any], translation: Translation) -> None:
    width = int(math.log2(len(matrix)))
    on = (2, 0, 1)[:width]
    step = Step("unitary", on, (), tuple(matrix.astype(complex).ravel().view(float).tolist()))
    spelled = translation.translate([step], 1000)
    assert spelled is not None
    assert {each.name for each in spelled} <= set(TARGET.operation_names)
    there, here = (Operator(build(each, 3, 0)) for each in ([step], spelled))
    assert here.equiv(there, atol=1e-9)
    assert translation.translate([step], 1000) == spelled


@pytest.mark.parametrize(("gate", "most"), [(CRXGate(0.3), 1), (iSwapGate(), 2), (SwapGate(), 3), (CXGate(), 1)])
def test_a_matrix_takes_no_more_gates_on_both_qubits_than_it_has_to(
    gate: Gate, most: int, translation: Translation
) -> None:
    step = Step("unitary", (0, 1), (), tuple(Operator(gate).data.ravel().view(float).tolist()))
    assert sum(len(each.qubits) == 2 for each in translation.translate([step], 100) or ()) == most


def test_a_matrix_that_does_nothing_leaves_no_gate_on_both_qubits(translation: Translation) -> None:
    step = Step("unitary", (0, 1), (), tuple(np.eye(4, dtype=complex).ravel().view(float).tolist()))
    assert not any(len(each.qubits) == 2 for each in translation.translate([step], 100) or ())


def test_no_more_gates_are_made_than_may_be(translation: Translation) -> None:
    with pytest.raises(CircuitTooLargeError, match="more than 20 gates"):
        translation.translate([Step("cswap", (0, 1, 2), (), ())] * 3, 20)


def test_symbolic_angles_are_translated_like_numbers(translation: Translation) -> None:
    symbols = [Parameter(name) for name in "abc"]
    symbolic: Any = Step("cu3", (0, 1), (), tuple(symbols))
    spelled = translation.translate([symbolic], 100)
    assert spelled is not None
    values = (0.3, 0.5, 0.7)
    bound = build(spelled, 2, 0).assign_parameters(dict(zip(symbols, values, strict=True)))
    assert Operator(bound).equiv(Operator(build([Step("cu3", (0, 1), (), values)], 2, 0)), atol=1e-9)


@pytest.mark.parametrize("text", ["3*a", "a", "1 - b/2", "2*(a - b) + 4", "a/2 - a/2 + b", "b - b", "5"])
def test_what_is_affine_is_told_and_evaluated(text: str) -> None:
    a, b = Parameter("a"), Parameter("b")
    affine = Affine.of(eval(text, {"a": a, "b": b}), {a: 0, b: 1})
    assert affine is not None
    assert affine.at((0.3, 0.4)) == pytest.approx(eval(text, {"a": 0.3, "b": 0.4}))
    assert affine.plain == {"a": 0, "a/2 - a/2 + b": 1}.get(text)


def test_what_is_not_affine_is_told_too() -> None:
    a, b = Parameter("a"), Parameter("b")
    assert Affine.of(a * b, {a: 0, b: 1}) is None
    assert Affine.of(a.sin(), {a: 0}) is None
