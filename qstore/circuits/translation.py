"""Gates the target lacks, spelled in gates it has: Qiskit is asked once for each kind of gate, and not for each gate.

The invariant: the gates that replace a gate are the same whatever its angles are, and theirs are affine in its own. A
gate for which that cannot be is never replaced here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qstore.circuits.flat import Step, build
from qstore.circuits.matrix import spell
from qstore.errors import CircuitTooLargeError


class Affine(NamedTuple):
    """A constant, and a multiple of each of some numbers.

    Attributes:
        constant: Radians.
        terms: Which number, counted from 0, and how much of it.
    """

    constant: float
    terms: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, value: Any, parameters: Mapping[Parameter, int]) -> Affine | None:
        """What a number or an expression is in terms of the parameters, which are numbered; None where not affine."""
        if not isinstance(value, ParameterExpression):
            return cls(float(value), ())
        if isinstance(value, Parameter):
            return cls(0.0, ((parameters[value], 1.0),))
        terms = []
        for parameter in value.parameters:
            slope = value.gradient(parameter)
            if isinstance(slope, (ParameterExpression, complex)):
                return None
            if slope:
                terms.append((parameters[parameter], float(slope)))
        constant = value.bind(dict.fromkeys(value.parameters, 0.0))
        return cls(float(constant), tuple(sorted(terms)))

    @property
    def plain(self) -> int | None:
        """Which of the numbers it is; None where it is anything else."""
        match self:
            case (0.0, ((index, 1.0),)):
                return index
            case _:
                return None

    def at(self, numbers: Sequence[Any]) -> Any:
        """The value for some numbers; an expression where they are parameters."""
        value = self.constant
        for index, slope in self.terms:
            value += slope * numbers[index] if slope != 1 else numbers[index]
        return value


class _Part(NamedTuple):
    """One of the gates that replace a gate; its qubits are indices into that one's."""

    name: str
    qubits: tuple[int, ...]
    angles: tuple[Affine, ...]


_TURN = Affine(0.0, ((0, 1.0),)), Affine(0.0, ((1, 1.0),)), Affine(0.0, ((2, 1.0),))
_SHORTER: Mapping[tuple[str, int], Sequence[_Part]] = MappingProxyType(
    {
        **{
            (name, 1): (_Part("rz", (0,), _TURN[2:]), _Part("ry", (0,), _TURN[:1]), _Part("rz", (0,), _TURN[1:2]))
            for name in ("u", "u3")
        },
        ("u2", 1): (
            _Part("rz", (0,), _TURN[1:2]),
            _Part("ry", (0,), (Affine(math.pi / 2, ()),)),
            _Part("rz", (0,), _TURN[:1]),
        ),
        ("r", 1): (
            _Part("rz", (0,), (Affine(0.0, ((1, -1.0),)),)),
            _Part("rx", (0,), _TURN[:1]),
            _Part("rz", (0,), _TURN[1:2]),
        ),
        ("u1", 1): (_Part("p", (0,), _TURN[:1]),),
        ("cu1", 2): (_Part("cp", (0, 1), _TURN[:1]),),
    }
)
"""Recipes shorter than those Qiskit's library has, by gate and width."""


class Translation:
    """Recipes for gates, found as they are needed and kept. Safe in threads.

    Args:
        names: What the target knows, Qiskit's names.
        compile_plainly: Qiskit's own translation of a circuit, and nothing else.
    """

    def __init__(self, names: Collection[str], compile_plainly: Callable[[QuantumCircuit], QuantumCircuit]) -> None:
        self._names = frozenset((*names, "barrier"))
        self._compile_plainly = compile_plainly
        self._recipes: dict[tuple[str, int], Sequence[_Part] | None] = dict(_SHORTER)

    def knows(self, steps: Iterable[Step]) -> bool:
        """Whether all gates are the target's own."""
        return self._names.issuperset([step.name for step in steps])

    def translate(self, steps: Sequence[Step], most: int) -> Sequence[Step] | None:
        """The steps in the target's gates; None where a gate has no recipe.

        Args:
            steps: Gates and barriers.
            most: How many there may be in the end.

        Raises:
            CircuitTooLargeError: There are more.
        """
        if self.knows(steps):
            return steps
        translated: list[Step] = []
        for step in steps:
            if step.name in self._names:
                translated.append(step)
                continue
            if step.name == "unitary":
                spelled = self.translate(spell(step), most)
                if spelled is None:
                    return None
                translated += spelled
                continue
            recipe = self._recipe(step)
            if recipe is None:
                return None
            on, angles = step.qubits, step.angles
            translated += [
                Step(name, tuple([on[qubit] for qubit in qubits]), (), tuple([part.at(angles) for part in parts]))
                for name, qubits, parts in recipe
            ]
            if len(translated) > most:
                raise CircuitTooLargeError(f"The circuit has more than {most:,} gates in IonQ's gate set.")
        return translated

    def _recipe(self, step: Step) -> Sequence[_Part] | None:
        key = (step.name, len(step.qubits))
        if key not in self._recipes:
            self._recipes[key] = self._find(*key, len(step.angles))
        return self._recipes[key]

    def _find(self, name: str, width: int, angles: int) -> Sequence[_Part] | None:
        parameters = {Parameter(f"angle{index}"): index for index in range(angles)}
        gate: Any = Step(name, tuple(range(width)), (), tuple(parameters))
        compiled = self._compile_plainly(build([gate], width, 0))
        recipe = []
        for instruction in compiled.data:
            parts = [Affine.of(param, parameters) for param in instruction.params]
            if not instruction.is_standard_gate() or None in parts:
                return None
            qubits = tuple([compiled.find_bit(qubit).index for qubit in instruction.qubits])
            recipe.append(_Part(instruction.name, qubits, tuple([part for part in parts if part is not None])))
        return recipe
