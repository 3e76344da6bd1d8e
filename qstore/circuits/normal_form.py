"""What happens in a circuit as one list, the same for all circuits that differ only in what does not matter.

The invariant: circuits of one normal form, at whichever level, have one outcome distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from qstore.circuits.angle import between, matrix_on_grid, on_grid, to_the_bit, within
from qstore.circuits.commutation import Rule, rule_of
from qstore.circuits.flat import Step
from qstore.circuits.idling import is_delay
from qstore.circuits.layers import Layers, Letter, letter_of, rounded
from qstore.circuits.reduction import reduced
from qstore.circuits.trimming import trimmed
from qstore.job import Level

Record = tuple[int, tuple[int, ...], str, tuple[float, ...]]
"""Layer times the number of wires, plus the first wire; wires, qubits first; name; angles or matrix on the grid."""


def normal_form(steps: Sequence[Step], qubits: int, clbits: int, level: Level, *, trims: bool) -> list[Record]:
    """The normal form of a circuit.

    Args:
        steps: The circuit's.
        qubits: How many it has.
        clbits: How many it has, as far as they matter.
        level: `exact`: the same gates, barriers and delays in the same order along every wire. `commuting`: the same
            gates and barriers in any order in which they commute, angles modulo their period, delays left out.
            `semantic`: what is left of them once neighbors are merged and canceled, barriers left out.
        trims: Whether, at `semantic`, gates nobody can see are left out: where all qubits are read once, in the end.
    """
    if level == "exact":
        return _exact(steps, qubits, clbits)
    wires = qubits + clbits
    names = {step.name for step in steps}
    if level == "commuting":
        return _layered(_letters(steps, qubits, within), names, wires)
    records = _layered(_letters(steps, qubits, between), names, wires)
    left = _left([letter_of(name, on, angles) for _, on, name, angles in records], wires, trims=trims)
    return _layered(left, {letter[0] for letter in left}, wires)


def _left(letters: list[Letter], wires: int, *, trims: bool) -> list[Letter]:
    """What is left of the gates, their angles rounded."""
    left = reduced(letters, wires)
    while trims and len(seen := trimmed(left, wires)) < len(left):
        left = reduced(seen, wires)
    return [(name, on, rounded(rule_of(name, len(on)), angles), kinds) for name, on, angles, kinds in left]


def _exact(steps: Iterable[Step], qubits: int, clbits: int) -> list[Record]:
    width = qubits + clbits
    free = [0] * width  # by wire: the first layer not yet taken
    records: list[Record] = []
    for name, on, into, angles in steps:
        wires = (*on, *[qubits + clbit for clbit in into]) if into else on
        numbers = _exactly(name, angles) if angles else ()
        if len(wires) == 1:
            layer = free[wires[0]]
            free[wires[0]] = layer + 1
        else:
            layer = max([free[wire] for wire in wires])
            for wire in wires:
                free[wire] = layer + 1
        records.append((layer * width + wires[0], wires, name, numbers))
    records.sort()
    return records


def _exactly(name: str, angles: tuple[float, ...]) -> tuple[int, ...]:
    if len(angles) == 1 and not is_delay(name):
        return (on_grid(angles[0]),)
    if name == "unitary":
        return matrix_on_grid(angles)
    # a grid in radians says nothing of seconds
    return tuple(map(to_the_bit if is_delay(name) else on_grid, angles))


def _letters(steps: Iterable[Step], qubits: int, place: Callable[[float, int], float] = within) -> Iterator[Letter]:
    rules: dict[tuple[str, int], Rule] = {}
    for name, on, into, angles in steps:
        wires = (*on, *[qubits + clbit for clbit in into]) if into else on
        rule = rules.get((name, len(wires)))
        if rule is None:
            if is_delay(name):
                continue
            rule = rules[name, len(wires)] = rule_of(name, len(wires))
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
    layers = Layers(wires, names)
    add = layers.add
    records: list[Record] = []
    for name, on, angles, kinds in letters:
        records.append((add(name, on, kinds) * wires + on[0], on, name, angles))
    records.sort()
    return records
