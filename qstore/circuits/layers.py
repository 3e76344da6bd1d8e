"""Layers of a circuit: every gate stands on the first one behind all earlier gates that it does not commute with.

The invariant: gates of one layer commute, and circuits that differ only in the order of gates that commute have the
same layers. This is Foata's normal form (Cartier and Foata, "Problèmes combinatoires de commutation et réarrangements",
1969).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from qstore.circuits.commutation import CONFLICTS, KINDS, Rule, any_exchange, exchange, may_exchange, rule_of

_Row = list[int]  # of a wire, by kind of action: the first layer behind all gates there that it conflicts with

Letter = tuple[str, tuple[int, ...], tuple[float, ...], tuple[int, ...]]
"""A step without what does not matter about it.

Its name; its wires, qubits, sorted where they are interchangeable, then clbits, counted from the number of qubits on;
its angles in grid steps, modulo their period; and how it acts on each wire, as `qstore.circuits.commutation` says it.
"""


def letter_of(name: str, wires: tuple[int, ...], angles: tuple[float, ...]) -> Letter:
    """The letter whose other parts are these; it acts as it would with its angles rounded."""
    rule = rule_of(name, len(wires))
    return name, wires, angles, rule.special.get(rounded(rule, angles), rule.kinds)


def rounded(rule: Rule, angles: tuple[float, ...]) -> tuple[float, ...]:
    """The angles of a gate, in whole grid steps, modulo their period."""
    if not rule.periods:
        return angles
    return tuple([round(angle) % period for angle, period in zip(angles, rule.periods, strict=True)])


Kin = tuple[str, tuple[int, ...], tuple[int, ...]]
"""Name, wires, and how it acts on each: gates that share them have the same gates to stand behind."""

Saved = tuple[_Row, int | None]
"""What was known of a wire, before a gate came."""

Record = tuple[int, tuple[int, ...], str, tuple[float, ...]]
"""A gate on its layer: that times the number of wires, plus its first wire; its wires; its name; its angles."""


class Layers:
    """The layers as they fill.

    Args:
        wires: How many there are.
        names: Of all the gates that may come.
    """

    def __init__(self, wires: int, names: Iterable[str]) -> None:
        self._rows: list[_Row] = [[0] * KINDS for _ in range(wires)]
        # What changes places although its actions conflict is rare, and looked for only where it can be.
        self._exchanges = _Exchanges(wires) if any_exchange(names) else None

    def of(self, name: str, wires: tuple[int, ...], kinds: tuple[int, ...]) -> int:
        """The layer on which a gate would stand.

        Args:
            name: The gate's.
            wires: It acts on, each once.
            kinds: How it acts on each.
        """
        rows = self._rows
        layer = max([rows[wire][kind] for wire, kind in zip(wires, kinds, strict=True)])
        if layer and self._exchanges is not None and self._exchanges.concern(name, wires, layer):
            return self._exchanges.layer_of(name, wires, kinds)
        return layer

    def put(self, name: str, wires: tuple[int, ...], kinds: tuple[int, ...], layer: int) -> None:
        """Let a gate stand on a layer."""
        for wire, kind in zip(wires, kinds, strict=True):
            _stand(self._rows[wire], kind, layer)
        if self._exchanges is not None:
            self._exchanges.put(name, wires, kinds, layer)

    def fill(self, letters: Iterable[Letter]) -> list[Record]:
        """Let gates stand one after the other, each where it would: `of` and `put` for all, in half the time."""
        rows, width, exchanges = self._rows, len(self._rows), self._exchanges
        records: list[Record] = []
        for name, wires, angles, kinds in letters:
            if len(wires) == 1:
                layer = rows[wires[0]][kinds[0]]
                _stand(rows[wires[0]], kinds[0], layer)
            else:
                on = [(rows[wire], kind) for wire, kind in zip(wires, kinds, strict=True)]
                layer = max([row[kind] for row, kind in on])
                if layer and exchanges is not None and exchanges.concern(name, wires, layer):
                    layer = exchanges.layer_of(name, wires, kinds)
                for row, kind in on:
                    _stand(row, kind, layer)
            if exchanges is not None:
                exchanges.put(name, wires, kinds, layer)
            records.append((layer * width + wires[0], wires, name, angles))
        return records

    def save(self, name: str, wires: tuple[int, ...], kinds: tuple[int, ...]) -> dict[int, Saved]:
        """What putting the gate changes, by wire, for `restore`."""
        rows, exchanges = self._rows, self._exchanges
        if exchanges is None:
            return {wire: (rows[wire].copy(), None) for wire in wires}
        return {wire: (rows[wire].copy(), exchanges.highest(wire, (name, wires, kinds))) for wire in wires}

    def restore(self, wire: int, kin: Kin, saved: Saved) -> None:
        """Take away what stands last on a wire.

        Args:
            wire: Which.
            kin: The gate's name, wires and kinds.
            saved: What `save` said of the wire before the gate was put there.
        """
        row, highest = saved
        self._rows[wire] = row
        if self._exchanges is not None:
            self._exchanges.restore(wire, kin, highest)


def _stand(row: _Row, kind: int, layer: int) -> None:
    """Let a gate that acts so on a wire stand there on a layer."""
    for conflicting in CONFLICTS[kind]:
        if row[conflicting] <= layer:
            row[conflicting] = layer + 1


class _Exchanges:
    """What stands on each wire, for gates that commute for what they do to two qubits together."""

    def __init__(self, wires: int) -> None:
        # By wire and kin: the highest layer of such a gate, less those that came since somebody asked.
        self._standing: list[dict[Kin, int]] = [{} for _ in range(wires)]
        self._came: list[list[tuple[Kin, int]]] = [[] for _ in range(wires)]
        # By pair of wires that are interchangeable for gates of a name: the first layer behind all of them.
        self._behind: dict[tuple[int, ...], dict[str, int]] = {}

    def concern(self, name: str, wires: tuple[int, ...], layer: int) -> bool:
        """Whether what keeps the gate from standing on an earlier layer than this may be a gate it commutes with."""
        for pair in _interchangeable(name, wires):
            for other, behind in self._behind.get(pair, _NOTHING).items():
                if behind >= layer and may_exchange(name, other):
                    return True
        return False

    def layer_of(self, name: str, wires: tuple[int, ...], kinds: tuple[int, ...]) -> int:
        """The layer on which the gate would stand, from all that stands on its wires."""
        layer = 0
        for wire, kind in zip(wires, kinds, strict=True):
            conflicts = CONFLICTS[kind]
            for (other, other_wires, other_kinds), on in self._standing_on(wire).items():
                if (
                    on >= layer
                    and other_kinds[other_wires.index(wire)] in conflicts
                    and not exchange(name, wires, other, other_wires)
                ):
                    layer = on + 1
        return layer

    def put(self, name: str, wires: tuple[int, ...], kinds: tuple[int, ...], layer: int) -> None:
        """Remember a gate on its layer."""
        came = (name, wires, kinds), layer
        for wire in wires:
            self._came[wire].append(came)
        if len(wires) > 1:
            for pair in _interchangeable(name, wires):
                behind = self._behind.setdefault(pair, {})
                behind[name] = max(behind.get(name, 0), layer + 1)

    def highest(self, wire: int, kin: Kin) -> int | None:
        """The highest layer of such a gate on a wire."""
        return self._standing_on(wire).get(kin)

    def restore(self, wire: int, kin: Kin, highest: int | None) -> None:
        """Let such a gate stand no higher on a wire than it did before."""
        standing = self._standing_on(wire)
        if highest is None:
            del standing[kin]
        else:
            standing[kin] = highest

    def _standing_on(self, wire: int) -> dict[Kin, int]:
        standing, came = self._standing[wire], self._came[wire]
        for kin, layer in came:
            standing[kin] = max(standing.get(kin, 0), layer)
        came.clear()
        return standing


_NOTHING: dict[str, int] = {}


def _interchangeable(name: str, wires: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    symmetric = rule_of(name, len(wires)).symmetric
    if symmetric < 2:  # noqa: PLR2004  a pair
        return ()
    return (wires,) if symmetric == len(wires) == 2 else combinations(wires[:symmetric], 2)  # noqa: PLR2004  a pair
