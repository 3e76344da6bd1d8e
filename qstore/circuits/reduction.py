"""Gates merged and canceled as far as they meet, for the fingerprint that knows circuits by what they do.

The invariant: the gates that are left do what all did, up to a global phase. What is executed is never reduced here:
with the gates goes their noise, which some circuits are made to measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType

from qstore.circuits.angle import HALF_TURN, TURN
from qstore.circuits.layers import Kin, Layers, Letter, Saved, letter_of

_QUARTER, _EIGHTH = TURN // 4, TURN // 8
_PASSES = 32  # each opens the way for merges across what the last one took away; few circuits need a third

# Powers of one gate: what a name stands for, and the power, in grid steps to a turn.
_POWERS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "z": ("rz", HALF_TURN),
        "s": ("rz", _QUARTER),
        "sdg": ("rz", -_QUARTER),
        "t": ("rz", _EIGHTH),
        "tdg": ("rz", -_EIGHTH),
        "x": ("rx", HALF_TURN),
        "sx": ("rx", _QUARTER),
        "sxdg": ("rx", -_QUARTER),
        "y": ("ry", HALF_TURN),
        "cz": ("mcphase", HALF_TURN),
        "cs": ("mcphase", _QUARTER),
        "csdg": ("mcphase", -_QUARTER),
        "ccz": ("mcphase", HALF_TURN),
        "cx": ("mcx", HALF_TURN),
        "csx": ("mcx", _QUARTER),
        "ccx": ("mcx", HALF_TURN),
        "c3sx": ("mcx", _QUARTER),
        **{name: (name, HALF_TURN) for name in ("mcx", "h", "ch", "cy", "swap", "cswap", "ecr")},
    }
)
_ALIASES: Mapping[str, str] = MappingProxyType({"p": "rz", "u1": "rz", "cp": "mcphase", "cu1": "mcphase"})
_PERIODS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys((name for name, _ in _POWERS.values()), TURN),
        **dict.fromkeys(("rxx", "ryy", "rzz", "rzx"), TURN),
        **dict.fromkeys(("crx", "cry", "crz"), 2 * TURN),
    }
)
"""The gates that merge with their like, and after how many grid steps they are nothing, a global phase left aside."""

_DROPPED = frozenset(("id", "barrier"))


def reduced(letters: Iterable[Letter], wires: int) -> list[Letter]:
    """The gates, where neighbors of one kind are one gate, and those that undo each other none.

    Neighbors are gates on the same qubits between which nothing stands that they do not commute with. Barriers and
    identities are dropped. Which neighbors meet first may decide what is left: give the gates in an order that does not
    depend on their author.

    Args:
        letters: Gates, in an order in which they act. Their angles need not be whole: what adds up is rounded last.
        wires: Of the circuit.

    Returns:
        Gates, in an order in which they act.
    """
    powers = [_as_power(letter) for letter in letters if letter[0] not in _DROPPED]
    left = [letter for letter in powers if not _is_nothing(letter)]
    for _ in range(_PASSES):
        merging = _Merging(left, wires)
        left = merging.left()
        if not merging.is_stale:
            break
    return left


@dataclass(slots=True, eq=False)
class _Standing:
    """A gate on its layer, the one of its kin before it, and how its wires were without it.

    What merges into it acts on its wires as it did when it came. So layers stay what they were, and the gates of one
    layer commute, whatever became of them.
    """

    letter: Letter
    kin: Kin
    layer: int
    before: _Standing | None
    saved: Mapping[int, Saved]
    is_gone: bool = False


class _Merging:
    """One pass over the gates.

    Attributes:
        is_stale: Whether another pass may find more.
    """

    def __init__(self, letters: list[Letter], wires: int) -> None:
        self.is_stale = False
        self._layers = Layers(wires, {letter[0] for letter in letters})
        self._latest: dict[Kin, _Standing | None] = {}
        self._on: list[list[_Standing]] = [[] for _ in range(wires)]
        self._standing: dict[_Standing, None] = {}  # in the order they came
        for letter in letters:
            self._take(letter)

    def left(self) -> list[Letter]:
        """What is left, layer by layer: behind a gate that came first, one that came later may have to act earlier."""
        found: dict[tuple[int, str, tuple[int, ...]], Letter] = {}
        others: list[tuple[int, Letter]] = []
        for standing in self._standing:
            name, wires, angles, _ = standing.letter
            key = standing.layer, name, wires
            if name not in _PERIODS:
                others.append((standing.layer, standing.letter))
            elif key in found:
                found[key] = _power(name, wires, found[key][2][0] + angles[0])
                self.is_stale = True
            else:
                found[key] = standing.letter
        merged = [(layer, letter) for (layer, _, _), letter in found.items() if not _is_nothing(letter)]
        return [letter for _, letter in sorted([*merged, *others], key=itemgetter(0))]

    def _take(self, letter: Letter) -> None:
        name, wires, angles, kinds = letter
        layer = self._layers.of(name, wires, kinds)
        like = self._latest.get((name, wires, kinds))
        if like is None or like.layer != layer or name not in _PERIODS:
            self._put(_Standing(letter, (name, wires, kinds), layer, like, self._layers.save(name, wires, kinds)))
            return
        like.letter = merged = _power(name, wires, like.letter[2][0] + angles[0])
        if _is_nothing(merged):
            self._remove(like)
        elif merged[-1] != kinds:
            self.is_stale = True  # it commutes with more than those it is made of

    def _put(self, standing: _Standing) -> None:
        _, wires, _ = standing.kin
        self._layers.put(*standing.kin, standing.layer)
        self._latest[standing.kin] = standing
        self._standing[standing] = None
        for wire in wires:
            self._on[wire].append(standing)

    def _remove(self, standing: _Standing) -> None:
        del self._standing[standing]
        self._latest[standing.kin] = standing.before
        standing.is_gone = True
        for wire in standing.kin[1]:
            on = self._on[wire]
            self.is_stale |= on[-1] is not standing  # gates behind it stand farther back than they need to
            while on and on[-1].is_gone:
                last = on.pop()
                self._layers.restore(wire, last.kin, last.saved[wire])


def _as_power(letter: Letter) -> Letter:
    name, wires, angles, _ = letter
    if name in _POWERS and not angles:
        return _power(_POWERS[name][0], wires, _POWERS[name][1])
    if name in _ALIASES:
        return _power(_ALIASES[name], wires, angles[0])
    return letter


def _power(name: str, wires: tuple[int, ...], angle: float) -> Letter:
    return letter_of(name, wires, (angle % _PERIODS[name],))


def _is_nothing(letter: Letter) -> bool:
    name, _, angles, _ = letter
    return name in _PERIODS and not round(angles[0]) % _PERIODS[name]
