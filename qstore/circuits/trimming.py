"""Gates that nobody can see: all qubits begin in 0, and all that is read of them in the end is 0 or 1.

The invariant: the gates that are left give the same distribution over all qubits, where each is read when all is done.
"""

from __future__ import annotations

from qstore.circuits.commutation import DIAGONAL
from qstore.circuits.layers import Layers, Letter

_ONE_CONTROL = frozenset(("cx", "cy", "ch", "csx", "crx", "cry", "crz", "cu", "cu3", "cswap"))
_LAST_IS_TARGET = frozenset(("ccx", "c3sx", "mcx"))
_ALL_CONTROL = frozenset(("cz", "cs", "csdg", "cp", "cu1", "ccz", "mcphase"))


def trimmed(letters: list[Letter], wires: int) -> list[Letter]:
    """The gates, less those that do nothing to zeros in the beginning, and those that only turn phases in the end.

    Args:
        letters: Gates, in the order in which they act.
        wires: Of the circuit.
    """
    while True:
        left = _without_turned_phases(_without_acting_on_zeros(letters, wires), wires)
        if len(left) == len(letters):
            return left
        letters = left


def _without_acting_on_zeros(letters: list[Letter], wires: int) -> list[Letter]:
    layers = Layers(wires, {letter[0] for letter in letters})
    zeros = set(range(wires))
    kept: list[Letter] = []
    for letter in letters:
        name, on, _, kinds = letter
        controls = _controls(name, on)
        if not zeros.isdisjoint(controls):
            continue
        layer = layers.of(name, on, kinds)
        if layer == 0 and (controls or DIAGONAL.issuperset(kinds)):
            continue  # it might as well come first
        layers.put(name, on, kinds, layer)
        zeros.difference_update([wire for wire, kind in zip(on, kinds, strict=True) if kind not in DIAGONAL])
        kept.append(letter)
    return kept


def _without_turned_phases(letters: list[Letter], wires: int) -> list[Letter]:
    layers = Layers(wires, {letter[0] for letter in letters})
    kept: list[Letter] = []
    for letter in reversed(letters):
        name, on, _, kinds = letter
        layer = layers.of(name, on, kinds)
        if layer == 0 and DIAGONAL.issuperset(kinds):
            continue  # it might as well come last
        layers.put(name, on, kinds, layer)
        kept.append(letter)
    kept.reverse()
    return kept


def _controls(name: str, on: tuple[int, ...]) -> tuple[int, ...]:
    """The qubits of a gate that does nothing while one of them is 0."""
    if name in _ONE_CONTROL:
        return on[:1]
    if name in _LAST_IS_TARGET:
        return on[:-1]
    return on if name in _ALL_CONTROL else ()
