"""What circuits have in common that differ in some angles only, cut once and filled in for each of them.

The invariant: filled in, a stencil is what the long way leads to; where it might not be, it says so and stays empty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

import numpy as np
from qiskit.circuit import Parameter

from qstore.circuits.angle import within
from qstore.circuits.commutation import rule_of
from qstore.circuits.fingerprint import packed
from qstore.circuits.flat import Step
from qstore.circuits.normal_form import listed, normal_form
from qstore.circuits.translation import Affine
from qstore.circuits.turn import TURNS, merge
from qstore.circuits.wire import write

_CLOSE = 1e-6  # of a quarter turn, from a multiple of it, within which gates might merge that otherwise do not
_QUARTER = math.pi / 2
_LONG = np.dtype("<i8")

_Row = Sequence[tuple[Step, tuple[Affine, ...]]]  # gates in a row on one qubit, and their angles


class WireStencil:
    """The wire of circuits that differ in some angles.

    Args:
        steps: In IonQ's gates. An angle may be an expression, affine in the slots.
        slots: Parameters that stand for the numbers to come.
        probe: Such numbers, none of them special.
        merging: Whether gates in a row on one qubit are merged where that saves any, once their angles are known.

    Raises:
        ValueError: An angle is not affine.
    """

    def __init__(
        self, steps: Sequence[Step], slots: Sequence[Parameter], probe: Sequence[float], *, merging: bool
    ) -> None:
        self._numbered = {slot: number for number, slot in enumerate(slots)}
        self._turns: dict[Affine, int] = {}
        self._rows: list[_Row] = []
        self._picks: list[int] = []  # of what comes of turns, counted from 0, and of rows, counted down from -1
        parts = []
        for qubits, group in groupby(steps, lambda step: step.qubits if step.name in TURNS else None):
            row = [(step, self._affine(step)) for step in group]
            if merging and qubits and len(merge(_bound(row, probe))) < len(row):
                self._rows.append(row)
                self._picks.append(-len(self._rows))
                parts.append("%s")
            else:
                parts.append(write([step for step, _ in row], self._spell)[1:-1].decode())
        self._text = f"[{','.join(filter(None, parts))}]"
        self._places = [number if (number := turn.plain) is not None else turn for turn in self._turns]

    def at(self, numbers: Sequence[float]) -> bytes | None:
        """The wire for these numbers; None where an angle is so special that gates might merge or vanish."""
        turns = [numbers[place] if isinstance(place, int) else place.at(numbers) for place in self._places]
        quarters = np.array(turns) / _QUARTER
        if np.any(np.abs(quarters - np.rint(quarters)) < _CLOSE):
            return None
        texts = [*map(float.__repr__, turns), *[_merged(row, numbers) for row in reversed(self._rows)]]
        return (self._text % tuple([texts[pick] for pick in self._picks])).encode() if all(texts) else None

    def _affine(self, step: Step) -> tuple[Affine, ...]:
        found = [Affine.of(angle, self._numbered) for angle in step.angles]
        if None in found:
            raise ValueError(f"An angle of {step.name!r} is not affine.")
        return tuple([affine for affine in found if affine is not None])

    def _spell(self, angle: Any) -> str:
        """The angle as text, or a place for it."""
        affine = Affine.of(angle, self._numbered)
        if affine is None or not affine.terms:
            return float.__repr__(float(angle))
        self._picks.append(self._turns.setdefault(affine, len(self._turns)))
        return "%s"


def _bound(row: _Row, numbers: Sequence[float]) -> list[Step]:
    return [
        Step(step.name, step.qubits, (), tuple([affine.at(numbers) for affine in affines])) for step, affines in row
    ]


def _merged(row: _Row, numbers: Sequence[float]) -> str:
    return write(merge(_bound(row, numbers)))[1:-1].decode()


class FingerprintStencil:
    """The fingerprint, at level `commuting`, of circuits that differ in some angles.

    Args:
        steps: Gates and barriers, with the angles of one such circuit.
        places: Which of its angles are to come: step, and place among the step's angles.
        picks: Which of the numbers to come each of them is.
        qubits: How many it has.

    Raises:
        ValueError: The angles decide about more than themselves.
    """

    def __init__(
        self, steps: Sequence[Step], places: Sequence[tuple[int, int]], picks: Sequence[int], qubits: int
    ) -> None:
        turns: dict[tuple[int, int], int] = {}  # number to come, and period
        special: set[float] = set()
        marks: list[int] = []
        which: list[int] = []
        for (index, place), pick in zip(places, picks, strict=True):
            name, on, _, angles = steps[index]
            rule = rule_of(name, len(on))
            if not rule.periods:
                raise ValueError(f"Angles of {name!r} have no period.")
            special.update(number for numbers in rule.special for number in numbers)
            which.append(turns.setdefault((pick, rule.periods[place]), len(turns)))
            marks.append(within(angles[place], rule.periods[place]))
        records = normal_form(steps, qubits, 0, "commuting", trims=True)
        if any(alike > 1 for alike in Counter(record[:-1] for record in records if record[-1]).values()):
            raise ValueError("Angles decide about the order of records.")
        cut = packed(*listed(records), qubits, 0, "qis", "commuting")
        start = len(cut) % _LONG.itemsize
        self._head, self._tail = cut[:start], np.frombuffer(cut[start:], _LONG)
        found = Counter(self._tail.tolist())
        if any(found[mark] != 1 for mark in marks):
            raise ValueError("An angle cannot be told from the rest.")
        place_of = {number: place for place, number in enumerate(self._tail.tolist())}
        self._places = [place_of[mark] for mark in marks]
        self._turns, self._special, self._which = list(turns), special, which

    def at(self, numbers: Sequence[float]) -> str | None:
        """The fingerprint for these numbers; None where one is so special that its gate commutes with more."""
        turns = [within(numbers[pick], period) for pick, period in self._turns]
        if not self._special.isdisjoint(turns):
            return None
        filled = self._tail.copy()
        filled[self._places] = np.array(turns, _LONG)[self._which]
        return sha256(self._head + filled.tobytes()).hexdigest()
