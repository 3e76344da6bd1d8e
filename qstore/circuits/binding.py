"""Numbers for the free parameters of a circuit: what callers hand in, and the angles that come of it.

The invariant: an angle is the very number that `assign_parameters` would make of it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector
from qiskit.circuit.library import RZGate

from qstore.errors import InvalidParameterValuesError

_SHOWN = 5  # names of parameters that a message tells


def values_of(given: object, parameters: Sequence[Parameter]) -> tuple[float, ...]:
    """One binding, checked: a number for each parameter, in their order.

    Args:
        given: A sequence or a 1-D array in the order of the parameters; or a mapping from parameters, their names, or
            parameter vectors.
        parameters: Of the circuit, as `QuantumCircuit.parameters` orders them.

    Raises:
        InvalidParameterValuesError: It is something else, there are too few or too many, or one is no finite number.
    """
    if isinstance(given, Mapping):
        row: Sequence[Any] = _row_of(given, parameters)
    elif isinstance(given, np.ndarray) and given.ndim == 1:
        row = given.tolist()
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes, bytearray)):
        row = given
    else:
        raise InvalidParameterValuesError(
            f"Parameter values are a sequence of numbers, or a mapping of parameters to numbers, not {_kind(given)}."
        )
    if len(row) != len(parameters):
        raise InvalidParameterValuesError(
            f"There are {len(row)} parameter values, and the circuit has {_listed(parameters)}."
        )
    if set(map(type, row)) == {float} and all(map(math.isfinite, row)):
        return tuple(row)  # as most are: asking each whether it is a number takes longer
    return tuple([_number(value, parameter) for value, parameter in zip(row, parameters, strict=True)])


def _number(value: object, parameter: Parameter) -> float:
    if not isinstance(value, Real):
        raise InvalidParameterValuesError(f"The value of parameter {parameter.name!r} is no number: {value!r}.")
    number = float(value)
    if not math.isfinite(number):
        raise InvalidParameterValuesError(f"The value of parameter {parameter.name!r} is not finite: {number}.")
    return number


def _row_of(given: Mapping[Any, Any], parameters: Sequence[Parameter]) -> list[Any]:
    by_name = {parameter.name: parameter for parameter in parameters}
    known = set(parameters)
    found: dict[Parameter, Any] = {}
    for key, value in given.items():
        if isinstance(key, ParameterVector):
            found |= _elements(key, value)
        elif key in known:
            found[key] = value
        elif isinstance(key, str) and key in by_name:
            found[by_name[key]] = value
        else:
            name = key if isinstance(key, str) else getattr(key, "name", key)
            close = difflib.get_close_matches(str(name), by_name, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(parameters)}."
            raise InvalidParameterValuesError(f"The circuit has no parameter {name!r}: {hint}")
    missing = [parameter for parameter in parameters if parameter not in found]
    if missing:
        raise InvalidParameterValuesError(f"Values are missing for {_listed(missing)}.")
    return [found[parameter] for parameter in parameters]


def _elements(vector: ParameterVector, values: Any) -> dict[Parameter, Any]:
    """A vector's values by its elements, of which the circuit need not use all."""
    try:
        return dict(zip(vector, values, strict=True))
    except (TypeError, ValueError):
        raise InvalidParameterValuesError(
            f"Parameter vector {vector.name!r} takes a sequence of {len(vector)} values."
        ) from None


def _listed(parameters: Sequence[Parameter]) -> str:
    names = ", ".join(parameter.name for parameter in parameters[:_SHOWN])
    more = f" and {len(parameters) - _SHOWN} more" if len(parameters) > _SHOWN else ""
    return f"{len(parameters)} parameter{'' if len(parameters) == 1 else 's'}: {names}{more}"


def _kind(given: object) -> str:
    if isinstance(given, np.ndarray):
        return f"an array of {given.ndim} dimensions"
    return f"{type(given).__qualname__}"


class Angles:
    """Expressions in some parameters, evaluated for many values.

    Args:
        expressions: What to evaluate.
        parameters: What may be free in them, in the order of their values.

    Attributes:
        picks: By expression: which of the numbers that `at` returns it is.
    """

    def __init__(self, expressions: Sequence[ParameterExpression], parameters: Sequence[Parameter]) -> None:
        order = {parameter: place for place, parameter in enumerate(parameters)}
        # What is more than a parameter is bound by Qiskit itself, in one circuit that holds each expression once.
        self._circuit = QuantumCircuit(1)
        seen: dict[str, list[tuple[ParameterExpression, int]]] = {}
        self.picks: list[int] = []
        for expression in expressions:
            if isinstance(expression, Parameter):
                self.picks.append(order[expression])
                continue
            alike = seen.setdefault(str(expression), [])
            place = next((at for other, at in alike if other.structurally_equal(expression)), None)
            if place is None:
                place = len(parameters) + len(self._circuit.data)
                alike.append((expression, place))
                self._circuit.append(RZGate(expression), [0])
            self.picks.append(place)
        self._needed = [order[parameter] for parameter in self._circuit.parameters]

    def at(self, values: Sequence[float]) -> list[float] | None:
        """The values, and behind them what the expressions come to; None where one is not a finite number.

        Args:
            values: Of the parameters, finite.
        """
        numbers = [value + 0.0 for value in values]  # makes 0.0 of -0.0
        if self._needed:
            try:
                bound = self._circuit.assign_parameters([values[place] for place in self._needed])
                numbers += [float(instruction.params[0]) + 0.0 for instruction in bound.data]
            except Exception:  # noqa: BLE001  Qiskit has an error for each way in which a formula has no finite value
                return None
        return numbers
