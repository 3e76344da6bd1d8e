from __future__ import annotations

import math
from collections import UserList
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector

from qstore.circuits.binding import Angles, values_of
from qstore.errors import InvalidParameterValuesError

V = ParameterVector("v", 3)
A = Parameter("a")
PARAMETERS = (A, V[0], V[2])  # a circuit need not use a whole vector


@pytest.mark.parametrize(
    "given",
    [
        [1, 2.5, -3],
        (1.0, 2.5, -3.0),
        UserList([1, 2.5, -3]),
        np.array([1, 2.5, -3]),
        np.array([1, 2.5, -3], dtype=np.float32),
        [np.int64(1), Fraction(5, 2), np.float32(-3)],
        {A: 1, V[0]: 2.5, V[2]: -3},
        {"v[2]": -3, "a": 1, "v[0]": 2.5},
        {V: [2.5, 99, -3], A: 1},
        {V: np.array([2.5, 99, -3]), "a": np.float64(1)},
    ],
)
def test_values_come_in_the_order_of_the_parameters_whichever_way_they_are_given(given: Any) -> None:
    values = values_of(given, PARAMETERS)
    assert values == (1.0, 2.5, -3.0)
    assert {type(value) for value in values} == {float}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "There are 2 parameter values, and the circuit has 3 parameters: a, v[0], v[2]."),
        (np.zeros(4), "There are 4 parameter values"),
        ({A: 1}, "Values are missing for 2 parameters: v[0], v[2]."),
        ({"a": 1, "b": 2}, "The circuit has no parameter 'b'"),
        ({Parameter("v[0]"): 1}, "The circuit has no parameter 'v[0]': did you mean 'v[0]'?"),
        ({"v[7]": 1}, "did you mean 'v[2]'?"),
        ({V: [1, 2], A: 1}, "Parameter vector 'v' takes a sequence of 3 values."),
        ({V: 5, A: 1}, "Parameter vector 'v' takes a sequence of 3 values."),
        ([1, math.nan, 3], "The value of parameter 'v[0]' is not finite: nan."),
        ([1, 2, -math.inf], "The value of parameter 'v[2]' is not finite: -inf."),
        ([1, "2", 3], "The value of parameter 'v[0]' is no number: '2'."),
        ([1, 2j, 3], "The value of parameter 'v[0]' is no number: 2j."),
        ([1, None, 3], "is no number: None."),
        ([1, Decimal(1), 3], "is no number: Decimal('1')."),
        ([1, [2], 3], "is no number: [2]."),
        (0.5, "not float."),
        ("abc", "not str."),
        (None, "not NoneType."),
        (iter([1, 2, 3]), "not list_iterator."),
        ({1.0, 2.0, 3.0}, "not set."),
        (np.zeros((1, 3)), "not an array of 2 dimensions."),
    ],
)
def test_values_that_do_not_fit_are_refused_in_one_sentence(given: Any, message: str) -> None:
    with pytest.raises(InvalidParameterValuesError) as refusal:
        values_of(given, PARAMETERS)
    assert message in str(refusal.value)


def test_a_long_list_of_parameters_is_cut() -> None:
    with pytest.raises(InvalidParameterValuesError, match=r"12 parameters: w\[0\], .*, w\[4\] and 7 more"):
        values_of([], tuple(ParameterVector("w", 12)))


def by_qiskit(expressions: list[ParameterExpression], values: dict[Parameter, float]) -> list[float]:
    circuit = QuantumCircuit(1)
    for expression in expressions:
        circuit.rz(expression, 0)
    bound = circuit.assign_parameters({key: values[key] for key in circuit.parameters})
    return [float(instruction.params[0]) for instruction in bound.data]


def test_angles_are_the_very_numbers_that_qiskit_makes() -> None:
    x, y, z = (Parameter(name) for name in "xyz")
    expressions = [x, y, 2 * x, x / 3, (x + y) + z, x + (y + z), x * y * z / 7, x.sin() * y, -x, 0.1 * x + 0.2 * y]
    angles = Angles(expressions, (x, y, z))
    for row in np.random.default_rng(1).uniform(-4, 4, (50, 3)).tolist():
        numbers = angles.at(row)
        assert numbers is not None
        assert [numbers[pick] for pick in angles.picks] == by_qiskit(
            expressions, dict(zip((x, y, z), row, strict=True))
        )


def test_the_same_expression_is_evaluated_once() -> None:
    x, y = Parameter("x"), Parameter("y")
    angles = Angles([2 * x, y, 2 * x, 2 * y, x * 2], (x, y))
    assert angles.picks == [2, 1, 2, 3, 2]
    assert angles.at([0.25, 0.5]) == [0.25, 0.5, 0.5, 1.0]


def test_minus_zero_is_zero() -> None:
    x = Parameter("x")
    numbers = Angles([x, 3 * x], (x,)).at([-0.0])
    assert numbers is not None
    assert [math.copysign(1, number) for number in numbers] == [1, 1]


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_formula_without_a_finite_value_has_none(value: float) -> None:
    x = Parameter("x")
    assert Angles([x.log()], (x,)).at([value]) is None
    assert Angles([(1000 - x).exp()], (x,)).at([value]) is None
