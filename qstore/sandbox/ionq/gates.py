"""A gate as it stands in the request, checked, and how it acts on a state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from qstore.sandbox.ionq.matrices import GATESETS, PAULIS, Parameter
from qstore.sandbox.ionq.statevector import Rows, State, apply


class InvalidGateError(ValueError):
    """The gate cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Unitary:
    """A matrix on targets, where all controls are 1.

    Attributes:
        rows: The matrix; the first target is the least significant bit.
        targets: Qubits it acts on.
        controls: Qubits that switch it on.
    """

    rows: Rows
    targets: tuple[int, ...]
    controls: tuple[int, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """Every qubit involved."""
        return self.targets + self.controls

    def apply(self, state: State, axes: Mapping[int, int]) -> None:
        """Apply it in place."""
        apply(state, self.rows, self.targets, self.controls, axes)


@dataclass(frozen=True, slots=True)
class PauliEvolution:
    """exp(-i * sum of angle * Pauli string), for strings that commute.

    Attributes:
        terms: For each string its angle in radians and the Pauli letter of each target, first target first.
        targets: Qubits it acts on.
    """

    terms: tuple[tuple[float, str], ...]
    targets: tuple[int, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """Every qubit involved."""
        return self.targets

    def apply(self, state: State, axes: Mapping[int, int]) -> None:
        """Apply it in place, string by string: exp(-i * a * P) = cos(a) - i * sin(a) * P."""
        for angle, letters in self.terms:
            turned = state.copy()
            for letter, target in zip(letters, self.targets, strict=True):
                if letter != "I":
                    apply(turned, PAULIS[letter], (target,), (), axes)
            state *= math.cos(angle)
            turned *= -1j * math.sin(angle)
            state += turned


Gate = Unitary | PauliEvolution


def read_gate(document: Any, gateset: str, qubits: int) -> Gate | None:
    """One gate of the request.

    Args:
        document: The gate as JSON gave it.
        gateset: `qis` or `native`.
        qubits: How many qubits there are to act on.

    Returns:
        The gate, or None where it does nothing by definition.

    Raises:
        InvalidGateError: If it is no gate of the gateset, or its qubits do not fit.
    """
    if not isinstance(document, dict):
        raise InvalidGateError("a gate is a JSON object")
    if not document.keys() <= _FIELDS:
        raise InvalidGateError(f"unknown field {min(document.keys() - _FIELDS)!r}")
    name = document.get("gate")
    targets = _qubits(document, "target", "targets", qubits)
    controls = _qubits(document, "control", "controls", qubits)
    involved = targets + controls
    if len(set(involved)) != len(involved):
        raise InvalidGateError(f"gate {name!r} names a qubit twice")
    if gateset == "native" and name == "nop":
        return None
    if gateset == "qis" and name == "pauliexp":
        return _pauli_evolution(document, targets, controls)
    form = GATESETS[gateset].get(name) if isinstance(name, str) else None
    if form is None:
        raise InvalidGateError(f"gate {name!r} is not in the {gateset} gateset")
    if len(targets) != form.targets:
        raise InvalidGateError(f"gate {name!r} takes {form.targets} target(s), not {len(targets)}")
    if controls and gateset == "native":
        raise InvalidGateError(f"native gate {name!r} takes no controls")
    if name == "cnot" and not controls:
        raise InvalidGateError("gate 'cnot' needs a control")
    numbers = [number for parameter in form.parameters for number in _numbers(document, parameter)]
    return Unitary(form.rows(*numbers), targets, controls)


def _qubits(document: dict[str, Any], one: str, many: str, qubits: int) -> tuple[int, ...]:
    """The qubits under either of two names."""
    found = document.get(many)
    single = document.get(one)
    if found is None:
        found = () if single is None else (single,)
    elif single is not None:
        raise InvalidGateError(f"give either {one!r} or {many!r}")
    elif not isinstance(found, list):
        raise InvalidGateError(f"{many!r} is a list of qubits")
    for qubit in found:
        if type(qubit) is not int and not (type(qubit) is float and qubit.is_integer()):
            raise InvalidGateError(f"qubit {qubit!r} is not a whole number")
        if not 0 <= qubit < qubits:
            raise InvalidGateError(f"qubit {qubit} is out of range, there are {qubits}")
    return tuple(map(int, found))


def _numbers(document: dict[str, Any], parameter: Parameter) -> list[float]:
    """The numbers of one field."""
    value = document.get(parameter.field, parameter.default)
    values = value if parameter.count else [value]
    count = parameter.count or 1
    if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
        raise InvalidGateError(f"gate {document['gate']!r} needs {count} number(s) as {parameter.field!r}")
    return list(map(float, values))


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < _ENDLESS


def _pauli_evolution(document: dict[str, Any], targets: tuple[int, ...], controls: tuple[int, ...]) -> PauliEvolution:
    """`pauliexp`; a term's last letter belongs to the first target, as in Qiskit's labels."""
    terms = document.get("terms")
    if controls or not isinstance(terms, list) or not terms:
        raise InvalidGateError("gate 'pauliexp' takes a list of terms and no controls")
    for term in terms:
        if not isinstance(term, str) or len(term) != len(targets) or not set(term) <= set("IXYZ"):
            raise InvalidGateError(f"term {term!r} is no Pauli string over the {len(targets)} target(s)")
    if not _commute(terms):
        raise InvalidGateError("the terms of gate 'pauliexp' must commute")
    coefficients = _numbers(document, Parameter("coefficients", count=len(terms)))
    (time,) = _numbers(document, Parameter("time"))
    pairs = zip(coefficients, terms, strict=True)
    return PauliEvolution(tuple((time * factor, term[::-1]) for factor, term in pairs), targets)


def _commute(terms: Sequence[str]) -> bool:
    """Two Pauli strings commute where they differ, both nontrivially, on an even number of qubits."""
    return all(
        sum("I" not in pair and pair[0] != pair[1] for pair in zip(first, second, strict=True)) % 2 == 0
        for position, first in enumerate(terms)
        for second in terms[:position]
    )


_ENDLESS = 1e300  # leaves infinities and whole numbers no float can hold outside
_FIELDS = frozenset(
    {
        *("gate", "target", "targets", "control", "controls", "rotation"),
        *("phase", "phases", "angle", "terms", "coefficients", "time"),
    }
)
