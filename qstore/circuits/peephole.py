"""Neighboring gates canceled and merged, as Qiskit's level 1 does it, on plain steps.

The invariant: what is left does the same, up to a global phase, and is no more than there was. Nothing moves across a
barrier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from qstore.circuits.commutation import rule_of
from qstore.circuits.flat import Step
from qstore.circuits.turn import TURNS, merge

# By a gate on several qubits: the one that undoes it. (All of Qiskit's that it looks for at level 1.)
_INVERSES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in ("cx", "cy", "cz", "ch", "swap", "ecr", "ccx", "ccz", "rccx", "cswap", "mcx")},
        "cs": "csdg",
        "csdg": "cs",
    }
)


def simplify(steps: Iterable[Step]) -> list[Step]:
    """The steps, less neighbors that undo each other, and with gates in a row on one qubit merged where that saves any.

    Args:
        steps: Gates and barriers. Where an angle is symbolic, its gate stays as it is.
    """
    return _Peephole(steps).left


class _Peephole:
    """One walk along the steps. Gates of one qubit are held back until something else happens to it.

    Attributes:
        left: The steps in the end.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._kept: list[Step | None] = []
        self._standing: defaultdict[int, list[int]] = defaultdict(list)  # by qubit: places of what is kept on it
        self._held: defaultdict[int, list[Step]] = defaultdict(list)  # by qubit: its last gates in a row
        for step in steps:
            if step.name in TURNS:
                self._held[step.qubits[0]].append(step)
            else:
                self._add(step)
        for qubit in self._held:
            self._let_go(qubit)
        self.left = [step for step in self._kept if step is not None]

    def _add(self, step: Step) -> None:
        qubits, held, standing = step.qubits, self._held, self._standing
        for qubit in qubits:
            if held[qubit]:
                self._let_go(qubit)
        place = self._place_undone_by(step) if step.name in _INVERSES else None
        if place is None:
            place = len(self._kept)
            for qubit in qubits:
                standing[qubit].append(place)
            self._kept.append(step)
        else:
            self._kept[place] = None
            for qubit in qubits:
                standing[qubit].pop()
                self._take_back(qubit)

    def _place_undone_by(self, step: Step) -> int | None:
        """Where the gate stands which the step would undo, if it is the last one on all its qubits."""
        places = {tuple(self._standing[qubit][-1:]) for qubit in step.qubits}
        if len(places) != 1 or () in places:
            return None
        ((place,),) = places
        before = self._kept[place]
        if before is None or before.name != _INVERSES[step.name] or _placed(before) != _placed(step):
            return None
        return place

    def _let_go(self, qubit: int) -> None:
        """Keep what the gates in a row on a qubit come to."""
        row = self._held[qubit]
        if row:
            self._held[qubit] = []
            for step in merge(row):
                self._standing[qubit].append(len(self._kept))
                self._kept.append(step)

    def _take_back(self, qubit: int) -> None:
        """Hold back the last gates in a row on a qubit again: with what is gone, more may follow on them."""
        standing = self._standing[qubit]
        row: list[Step] = []
        while standing and (step := self._kept[standing[-1]]) is not None and step.name in TURNS:
            row.append(step)
            self._kept[standing.pop()] = None
        self._held[qubit] = row[::-1]


def _placed(step: Step) -> tuple[int, ...]:
    """The qubits, sorted where they are interchangeable."""
    alike = rule_of(step.name, len(step.qubits)).symmetric
    return (*sorted(step.qubits[:alike]), *step.qubits[alike:])
