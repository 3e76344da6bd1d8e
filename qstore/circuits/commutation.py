"""Which gates commute, told from how each acts on each of its qubits.

The invariant: gates whose kinds of action conflict on no shared qubit commute, up to a global phase. On one qubit an
operator is a sum of Pauli matrices. Where all that a gate does to a qubit lies along one axis, it commutes there with
whatever lies along the same axis. Half turns, which are products of Pauli matrices and Hadamard gates, also change
places with half turns about orthogonal axes, for a sign. Gates that share two qubits or more may commute in other
ways, see `exchange`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from qstore.circuits.angle import HALF_TURN, TURN

# How a gate acts on one of its qubits: not at all; along the axis Z, X, Y, or that of a Hadamard gate; the same as one
# of the factors of a half turn; or in any other way.
_KINDS = ".ZXYHzxyh*"
_ORTHOGONAL = frozenset(("ZX", "XZ", "ZY", "YZ", "XY", "YX", "HY", "YH"))


def _conflict(one: str, other: str) -> bool:
    if "." in (one, other):
        return False
    if "*" in (one, other):
        return True
    axes = (one + other).upper()
    return axes[0] != axes[1] and not (one.islower() and other.islower() and axes in _ORTHOGONAL)


CONFLICTS: tuple[tuple[int, ...], ...] = tuple(
    [tuple([index for index, other in enumerate(_KINDS) if _conflict(one, other)]) for one in _KINDS]
)
"""By kind of action: the kinds it conflicts with on the same qubit."""

DIAGONAL = frozenset([_KINDS.index(kind) for kind in ".Zz"])
"""The kinds that leave a qubit which is 0, or 1, as it is."""

KINDS = len(_KINDS)
"""How many kinds of action there are; the first conflicts with none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of a gate.

    Attributes:
        kinds: How it acts on each of its qubits.
        periods: Of each angle, in grid steps, a global phase left aside.
        special: How it acts where its angles, in grid steps, are these.
        symmetric: How many qubits, counted from the first, are interchangeable.
    """

    kinds: tuple[int, ...]
    periods: tuple[int, ...] = ()
    special: Mapping[tuple[float, ...], tuple[int, ...]] = field(default_factory=dict)
    symmetric: int = 0


def _kinds(text: str) -> tuple[int, ...]:
    return tuple([_KINDS.index(kind) for kind in text])


def _fixed(kinds: str, symmetric: int = 0) -> Rule:
    return Rule(_kinds(kinds), symmetric=symmetric)


def _rotation(axes: str, symmetric: int = 0) -> Rule:
    """exp(-i angle/2 P) with a product P of Pauli matrices: nothing at whole turns, P itself at half turns."""
    special: dict[tuple[float, ...], tuple[int, ...]] = {
        (0,): _kinds("." * len(axes)),
        (HALF_TURN,): _kinds(axes.lower()),
    }
    return Rule(_kinds(axes), (TURN,), special, symmetric)


def _controlled_rotation(axes: str) -> Rule:
    """A turn of the target becomes a Z of the control, two are nothing."""
    special: dict[tuple[float, ...], tuple[int, ...]] = {(0,): _kinds(".."), (TURN,): _kinds("z.")}
    return Rule(_kinds(axes), (2 * TURN,), special)


def _controlled_phase(qubits: int) -> Rule:
    return Rule(_kinds("Z" * qubits), (TURN,), {(0.0,): _kinds("." * qubits)}, qubits)


RULES: Mapping[str, Rule] = {
    "id": _fixed("."),
    **{name: _fixed(name) for name in ("x", "y", "z", "h")},
    **{name: _fixed("Z") for name in ("s", "sdg", "t", "tdg")},
    **{name: _fixed("X") for name in ("sx", "sxdg")},
    **{name: _rotation("Z") for name in ("rz", "p", "u1")},
    "rx": _rotation("X"),
    "ry": _rotation("Y"),
    "r": Rule(_kinds("*"), (TURN, TURN)),
    "u2": Rule(_kinds("*"), (TURN, TURN)),
    **{name: Rule(_kinds("*"), (TURN, TURN, TURN)) for name in ("u", "u3")},
    **{f"c{name}": _fixed(f"Z{name.upper()}") for name in ("x", "y", "h")},
    "cz": _fixed("ZZ", symmetric=2),
    "csx": _fixed("ZX"),
    **{name: _fixed("ZZ", symmetric=2) for name in ("cs", "csdg")},
    **{f"cr{axis.lower()}": _controlled_rotation(f"Z{axis}") for axis in "XYZ"},
    **{name: _controlled_phase(2) for name in ("cp", "cu1")},
    "cu": Rule(_kinds("Z*"), (2 * TURN, TURN, TURN, TURN)),
    "cu3": Rule(_kinds("Z*"), (2 * TURN, TURN, TURN)),
    **{f"r{axis.lower() * 2}": _rotation(axis * 2, symmetric=2) for axis in "XYZ"},
    "rzx": _rotation("ZX"),
    **{name: _fixed("**", symmetric=2) for name in ("swap", "iswap")},
    **{name: _fixed("**") for name in ("dcx", "ecr")},
    **{name: Rule(_kinds("**"), (2 * TURN, TURN)) for name in ("xx_plus_yy", "xx_minus_yy")},
    "ccx": _fixed("ZZX", symmetric=2),
    "ccz": _fixed("ZZZ", symmetric=3),
    "c3sx": _fixed("ZZZX", symmetric=3),
    "cswap": _fixed("Z**"),
    "rccx": _fixed("***"),
    "rcccx": _fixed("****"),
}
"""By Qiskit's name. What is not here is taken to conflict with everything, and to have no period."""


def rule_of(name: str, qubits: int) -> Rule:
    """What is known of a gate of that name on so many qubits."""
    return RULES.get(name) or _rule_of_any_size(name, qubits)


@lru_cache(maxsize=256)
def _rule_of_any_size(name: str, qubits: int) -> Rule:
    match name:
        case "mcx":
            return _fixed("Z" * (qubits - 1) + "X", symmetric=qubits - 1)
        case "mcphase":
            return _controlled_phase(qubits)
        case _:
            return _fixed("*" * qubits)


_PAIRWISE = frozenset(("rxx", "ryy", "rzz", "swap", "iswap"))  # on two qubits, each commutes with each


def any_exchange(names: Iterable[str]) -> bool:
    """Whether there can be gates among these that commute as `exchange` says."""
    pairwise = _PAIRWISE.intersection(names)
    return "swap" in pairwise or len(pairwise) > 1


def may_exchange(one: str, other: str) -> bool:
    """Whether gates of these names that share two interchangeable qubits commute, although their actions conflict."""
    return one == "swap" or other == "swap" or (one in _PAIRWISE and other in _PAIRWISE and one != other)


def exchange(one: str, on: Sequence[int], other: str, other_on: Sequence[int]) -> bool:
    """Whether two gates commute although their actions conflict: for what they do to two qubits together.

    A swap commutes with what is symmetric in its two qubits. XX, YY and ZZ commute, hence whatever is generated by
    them: a swap and an iswap are, too.

    Args:
        one: A gate's name.
        on: Its qubits.
        other: Another's.
        other_on: Its qubits.
    """
    if may_exchange(one, other) and {one, other} <= _PAIRWISE and set(on) == set(other_on):
        return True
    return _swaps_within(one, on, other, other_on) or _swaps_within(other, other_on, one, on)


def _swaps_within(swap: str, pair: Sequence[int], name: str, on: Sequence[int]) -> bool:
    return swap == "swap" and set(pair) <= set(on[: rule_of(name, len(on)).symmetric])
