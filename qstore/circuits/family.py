"""A circuit with free parameters, and the circuits it becomes with numbers for them: taken apart and compiled once.

The invariant: a member is what `assign_parameters` would make of the template: it has the same fingerprint, and its
wire does the same. What the template alone cannot tell of a member is found the long way, from the member itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qstore.circuits.binding import Angles, values_of
from qstore.circuits.border import refusing
from qstore.circuits.canonical import Canonical, canonical_of, canonicalize, registers_of
from qstore.circuits.compiler import MAX_WIRE_BYTES, Compiler, check_fit
from qstore.circuits.flat import Step, flatten
from qstore.circuits.stencil import FingerprintStencil, WireStencil
from qstore.circuits.targets import Backend
from qstore.circuits.wire import write
from qstore.errors import InvalidCircuitError, InvalidParameterValuesError, UnsupportedCircuitError
from qstore.job import Level

_ROUNDING = 1e-9  # radians
_GOLDEN = (math.sqrt(5) - 1) / 2
_FIRST, _SECOND = math.sqrt(2) - 1, math.sqrt(3) - 1  # where to begin, so that no author wrote the same numbers

_Stencil = TypeVar("_Stencil", FingerprintStencil, WireStencil)


@dataclass(frozen=True, slots=True)
class Member:
    """One circuit of a family.

    Attributes:
        canonical: Its canonical form.
        wire: What its compilation comes to, where the family's told; else None, and it is to be compiled as any other.
    """

    canonical: Canonical
    wire: bytes | None


class Family:
    """The circuits that a template becomes.

    Args:
        template: Has free parameters.
        compiler: To IonQ's gates.
        backend: Where they are to run.
        optimization_level: Qiskit's, 0 to 3. From 2 on Qiskit looks at the angles, and members are compiled one by one.
        level: As `canonicalize` takes it.

    Attributes:
        template: As it was given.
        parameters: In the order of their values.
        first: A member's canonical form, with whichever angles.

    Raises:
        InvalidParameterValuesError: There are no parameters.
        InvalidCircuitError: No member could run.
    """

    def __init__(
        self, template: QuantumCircuit, compiler: Compiler, backend: Backend, optimization_level: int, level: Level
    ) -> None:
        self.template = template
        self.parameters: tuple[Parameter, ...] = tuple(template.parameters)
        if not self.parameters:
            raise InvalidParameterValuesError(
                "The circuit has no free parameters, so there is nothing to give values to: leave parameter_values out."
            )
        self._level = level
        self._form: _Form | None = None
        try:
            form = _Form(template, self.parameters, level)
        except InvalidCircuitError:
            # Perhaps it is only that something in it is taken apart by its numbers; else this raises.
            self.first = self._alone(_spread(len(self.parameters), _FIRST))
            check_fit(self.first, backend)
        else:
            self.first = form.first
            check_fit(self.first, backend)
            if optimization_level <= 1:
                form.compile(compiler, backend, optimization_level)
            self._form = form if self._agrees(form, compiler, backend, optimization_level) else None

    def member(self, given: object) -> Member:
        """The circuit that the template becomes.

        Args:
            given: A number for each parameter, as `values_of` takes them.

        Raises:
            InvalidParameterValuesError: The values do not fit the parameters.
            InvalidCircuitError: The circuit cannot run.
        """
        values = values_of(given, self.parameters)
        member = self._form.member(values) if self._form is not None else None
        return member or Member(self._alone(values), None)

    def _alone(self, values: Sequence[float]) -> Canonical:
        with refusing(UnsupportedCircuitError, "The parameters cannot be bound"):
            bound = self.template.assign_parameters(values)
        return canonicalize(bound, self._level)

    def _agrees(self, form: _Form, compiler: Compiler, backend: Backend, optimization_level: int) -> bool:
        """Whether the short way leads where the long way does, tried with numbers that are nothing special."""
        values = _spread(len(self.parameters), _SECOND)
        member = form.member(values)
        try:
            alone = self._alone(values)
        except InvalidCircuitError:
            return False
        if member is None or not _same(member.canonical, alone):
            return False
        if member.wire is not None:
            steps = compiler.spell(alone.steps, backend, optimization_level)
            form.compiled = steps is not None and _same_wire(member.wire, write(steps))
        return True


class _Form:
    """What the members have in common.

    Args:
        template: Has free parameters.
        parameters: In the order of their values.
        level: As `canonicalize` takes it.

    Attributes:
        first: A member, with numbers of its own for the angles to come.
        compiled: Whether the wire of a member comes with it.

    Raises:
        InvalidCircuitError: The template cannot be taken apart while its parameters are free; or never.
    """

    def __init__(self, template: QuantumCircuit, parameters: Sequence[Parameter], level: Level) -> None:
        self._steps = flatten(template, symbolic=True)
        self._slots = [
            (index, place)
            for index, step in enumerate(self._steps)
            for place, angle in enumerate(step.angles)
            if isinstance(angle, ParameterExpression)
        ]
        self._angles = Angles([self._steps[index].angles[place] for index, place in self._slots], parameters)
        self._qubits, self._registers, self._level = template.num_qubits, registers_of(template), level
        probes = _spread(len(self._slots), _FIRST)
        self.first = self._canonical(probes)
        self._firsts = self.first.steps
        self._places = _places(self._firsts, probes)
        self._fingerprint = self._fingerprint_stencil()
        self._wire: WireStencil | None = None
        self.compiled = False

    def compile(self, compiler: Compiler, backend: Backend, optimization_level: int) -> None:
        """Compile what the members have in common, if it can be."""
        if self.first.format != "qis" or self._places is None:
            return
        slots = [Parameter(f"number{index}") for index in range(max(self._angles.picks, default=-1) + 1)]
        angles = [slots[pick] for pick in self._angles.picks]
        steps = compiler.spell(_filled(self._firsts, self._places, angles), backend, optimization_level)
        if steps is not None:
            probe = _spread(len(slots), _FIRST)
            self._wire = _stencil(WireStencil, steps, slots, probe, merging=optimization_level > 0)
            self.compiled = self._wire is not None

    def member(self, values: Sequence[float]) -> Member | None:
        """The member for these values; None where the template does not tell."""
        numbers = self._angles.at(values)
        if numbers is None:
            return None
        angles = [numbers[pick] for pick in self._angles.picks]
        fingerprint = self._fingerprint.at(numbers) if self._fingerprint is not None else None
        if fingerprint is None or self._places is None:
            canonical = self._canonical(angles)
        else:
            lines = _Filled(self._firsts, self._places, angles)
            canonical = replace(self.first, lines=lines, fingerprint=fingerprint)
        wire = self._wire.at(numbers) if self._wire is not None and self.compiled else None
        return Member(canonical, wire if wire is None or len(wire) <= MAX_WIRE_BYTES else None)

    def _canonical(self, angles: Sequence[float]) -> Canonical:
        return canonical_of(_filled(self._steps, self._slots, angles), self._qubits, self._registers, self._level)

    def _fingerprint_stencil(self) -> FingerprintStencil | None:
        if self.first.format != "qis" or self._level != "commuting" or self._places is None:
            return None
        return _stencil(FingerprintStencil, self._firsts, self._places, self._angles.picks, self._qubits)


class _Filled(Sequence[Step]):
    """The steps of a member, made when somebody wants them: mostly nobody does."""

    __slots__ = ("_angles", "_places", "_steps")

    def __init__(self, steps: Sequence[Step], places: Sequence[tuple[int, int]], angles: Sequence[float]) -> None:
        self._steps, self._places, self._angles = steps, places, angles

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: Any) -> Any:
        return _filled(self._steps, self._places, self._angles)[index]

    def __iter__(self) -> Iterator[Step]:
        return iter(_filled(self._steps, self._places, self._angles))


def _stencil(kind: Callable[..., _Stencil], *args: object, **options: bool) -> _Stencil | None:
    try:
        return kind(*args, **options)
    except ValueError:
        return None


def _spread(count: int, start: float) -> list[float]:
    """Different angles, none of them special, radians."""
    return [0.1 + 0.6 * math.modf(start + index * _GOLDEN)[0] for index in range(count)]


def _places(steps: Sequence[Step], probes: Sequence[float]) -> list[tuple[int, int]] | None:
    """Where each of some numbers stands among the angles; None where that is not clear."""
    found: dict[float, list[tuple[int, int]]] = {probe: [] for probe in probes}
    for index, step in enumerate(steps):
        for place, angle in enumerate(step.angles):
            if angle in found:
                found[angle].append((index, place))
    if any(len(places) != 1 for places in found.values()):
        return None
    return [found[probe][0] for probe in probes]


def _filled(steps: Sequence[Step], places: Sequence[tuple[int, int]], angles: Sequence[Any]) -> list[Step]:
    filled = list(steps)
    for (index, place), angle in zip(places, angles, strict=True):
        name, qubits, clbits, old = filled[index]
        new = (angle,) if len(old) == 1 else (*old[:place], angle, *old[place + 1 :])
        filled[index] = Step(name, qubits, clbits, new)
    return filled


def _same(one: Canonical, other: Canonical) -> bool:
    """Whether they are equal, but for rounding."""
    return replace(one, lines=()) == replace(other, lines=()) and _alike(one.steps, other.steps)


def _same_wire(one: bytes, other: bytes) -> bool:
    gates, others = json.loads(one), json.loads(other)
    turns, other_turns = ([gate.pop("rotation", 0.0) for gate in each] for each in (gates, others))
    return gates == others and _close(turns, other_turns)


def _alike(steps: Sequence[Step], others: Sequence[Step]) -> bool:
    return [step[:3] for step in steps] == [step[:3] for step in others] and all(
        _close(step.angles, other.angles) for step, other in zip(steps, others, strict=True)
    )


def _close(angles: Sequence[float], others: Sequence[float]) -> bool:
    return len(angles) == len(others) and all(
        abs(angle - other) < _ROUNDING for angle, other in zip(angles, others, strict=True)
    )
