"""What happens in a circuit as one list, the same for all circuits that differ only in what does not matter.

The invariant: circuits of one normal form, at whichever level, have one outcome distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal

from qstore.circuits.angle import between, matrix_on_grid, on_grid, within
from qstore.circuits.commutation import RULES, rule_of
from qstore.circuits.flat import Line
from qstore.circuits.idling import is_delay
from qstore.circuits.layers import Layers, Letter, Record, letter_of, rounded
from qstore.circuits.reduction import reduced
from qstore.circuits.trimming import trimmed


def normal_form(
    lines: Sequence[Line], qubits: int, clbits: int, level: Literal["commuting", "semantic"], *, trims: bool
) -> list[Record]:
    """The normal form of a circuit, at the levels that know which gates commute.

    Args:
        lines: The circuit's.
        qubits: How many it has.
        clbits: How many it has, as far as they matter.
        level: `commuting`: the same gates and barriers in any order in which they commute, angles modulo their period,
            delays left out. `semantic`: what is left of them once neighbors are merged and canceled, barriers left out.
        trims: Whether, at `semantic`, gates nobody can see are left out: where all qubits are read once, in the end.
    """
    wires = qubits + clbits
    names = {line[0] for line in lines}
    if level == "commuting":
        return _layered(_letters(lines, qubits, within), names, wires)
    records = _layered(_letters(lines, qubits, between), names, wires)
    left = _left([letter_of(name, on, angles) for _, on, name, angles in records], wires, trims=trims)
    return _layered(left, {letter[0] for letter in left}, wires)


def listed(records: Sequence[Record]) -> tuple[list[str], list[float]]:
    """A normal form as names and numbers: all places, then all other wires than the first, then all angles.

    The names say how many of them belong to each.
    """
    if not records:
        return [], []
    places, wires, names, angles = zip(*records, strict=True)
    others = [on[1:] for on in wires if len(on) > 1]
    numbers = [*places, *chain(*others), *chain(*angles)]
    # there are barriers, say, of any size
    return [name if name in RULES else f"{name} on {len(wires[index])}" for index, name in enumerate(names)], numbers


def _left(letters: list[Letter], wires: int, *, trims: bool) -> list[Letter]:
    """What is left of the gates, their angles rounded."""
    left = reduced(letters, wires)
    while trims and len(seen := trimmed(left, wires)) < len(left):
        left = reduced(seen, wires)
    return [(name, on, rounded(rule_of(name, len(on)), angles), kinds) for name, on, angles, kinds in left]


def _letters(lines: Iterable[Line], qubits: int, place: Callable[[float, int], float] = within) -> Iterator[Letter]:
    for name, on, into, angles in lines:
        wires = (*on, *[qubits + clbit for clbit in into]) if into else on
        rule = RULES.get(name)
        if rule is None:
            if is_delay(name):
                continue
            rule = rule_of(name, len(wires))
        numbers: tuple[float, ...] = ()
        kinds = rule.kinds
        if angles:
            if rule.periods:
                periods = rule.periods
                # most have one, and this is for every gate
                numbers = (place(angles[0], periods[0]),) if len(angles) == 1 else tuple(map(place, angles, periods))
            elif name == "unitary":
                numbers = matrix_on_grid(angles)
            else:
                numbers = tuple(map(on_grid, angles))
            kinds = rule.special.get(numbers if place is within else rounded(rule, numbers), kinds)
        if rule.symmetric:
            wires = (*sorted(wires[: rule.symmetric]), *wires[rule.symmetric :])
        yield name, wires, numbers, kinds


def _layered(letters: Iterable[Letter], names: Iterable[str], wires: int) -> list[Record]:
    return sorted(Layers(wires, names).fill(letters))
