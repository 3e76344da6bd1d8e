"""Gates in a row on one qubit, as the one turn of the Bloch sphere they come to.

The invariant: a turn is a unit quaternion (w, x, y, z), which stands for the gate w - i(xX + yY + zZ) and for all that
differ from it in a global phase only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from qstore.circuits.flat import Step

_NOTHING = 1e-12  # of a quaternion's part: what is less is rounding
_ROTATIONS = ("", "rx", "ry", "rz")  # by axis: 1, 2, 3
# Last and first axis, the third, and which sign the product of the first two has along it
_PAIRS = ((1, 2, 3, 1), (2, 3, 1, 1), (3, 1, 2, 1), (2, 1, 3, -1), (3, 2, 1, -1), (1, 3, 2, -1))

_Turn = tuple[float, float, float, float]
_Gates = Sequence[tuple[str, tuple[float, ...]]]  # names and angles, in the order in which they act


def _about(axis: int, angle: float) -> _Turn:
    half = angle / 2
    cos, sin = math.cos(half), math.sin(half)
    return cos, sin * (axis == 1), sin * (axis == 2), sin * (axis == 3)  # noqa: PLR2004  x, y, z


_FIXED: Mapping[str, _Turn] = MappingProxyType(
    {
        "id": (1.0, 0.0, 0.0, 0.0),
        "x": (0.0, 1.0, 0.0, 0.0),
        "y": (0.0, 0.0, 1.0, 0.0),
        "z": (0.0, 0.0, 0.0, 1.0),
        "h": (0.0, math.sqrt(0.5), 0.0, math.sqrt(0.5)),
        "s": _about(3, math.pi / 2),
        "sdg": _about(3, -math.pi / 2),
        "t": _about(3, math.pi / 4),
        "tdg": _about(3, -math.pi / 4),
        "sx": _about(1, math.pi / 2),
        "sxdg": _about(1, -math.pi / 2),
    }
)
_AXES: Mapping[str, int] = MappingProxyType({"rx": 1, "ry": 2, "rz": 3, "p": 3})

TURNS = frozenset(_FIXED.keys() | _AXES.keys())
"""Names of the gates known here."""


def merge(row: Sequence[Step]) -> Sequence[Step]:
    """The fewest gates that do what a row does; the row itself where there are none fewer.

    Args:
        row: Gates out of `TURNS`, all on the same qubit. Where one has a symbolic angle, it stays, and what is before
            and behind it is merged.
    """
    if len(row) == 1 and row[0].name in _FIXED:
        return row if row[0].name != "id" else ()
    try:
        turn = _of(row[0])
        for step in row[1:]:
            turn = _after(_of(step), turn)
    except TypeError:  # what math says of a symbol
        return _merged_around_symbols(row)
    for way in _WAYS[: len(row)]:
        gates = way(turn)
        if gates is not None:
            on = row[0].qubits
            return [
                Step(name, on, (), tuple([math.remainder(each, math.tau) for each in turns])) for name, turns in gates
            ]
    return row


def _merged_around_symbols(row: Sequence[Step]) -> Sequence[Step]:
    merged: list[Step] = []
    since = 0
    for place, step in enumerate(row):
        if not all(isinstance(angle, float) for angle in step.angles):
            if since < place:
                merged += merge(row[since:place])
            merged.append(step)
            since = place + 1
    if since < len(row):
        merged += merge(row[since:])
    return merged


def _of(step: Step) -> _Turn:
    name = step.name
    return _FIXED[name] if name in _FIXED else _about(_AXES[name], step.angles[0])


def _after(later: _Turn, earlier: _Turn) -> _Turn:
    """Hamilton's product."""
    w, x, y, z = later
    a, b, c, d = earlier
    return (
        w * a - x * b - y * c - z * d,
        w * b + x * a + y * d - z * c,
        w * c - x * d + y * a + z * b,
        (w * d + x * c - y * b + z * a),
    )


def _none(turn: _Turn) -> _Gates | None:
    return None if any(abs(part) > _NOTHING for part in turn[1:]) else ()


def _one(turn: _Turn) -> _Gates | None:
    """A rotation about an axis, or a Hadamard gate."""
    w, x, y, z = turn
    axes = [axis for axis in (1, 2, 3) if abs(turn[axis]) > _NOTHING]
    if len(axes) == 1:
        return [(_ROTATIONS[axes[0]], (2 * math.atan2(turn[axes[0]], w),))]
    if abs(w) < _NOTHING and abs(y) < _NOTHING and abs(x - z) < _NOTHING:
        return [("h", ())]
    return None


def _two(turn: _Turn) -> _Gates | None:
    """Rotations about two axes."""
    w = turn[0]
    for last, first, third, sign in _PAIRS:
        # Of angles a and b, halved: w = cos a cos b, and along the axes sin a cos b, cos a sin b, sign sin a sin b
        p, q, r = turn[last], turn[first], sign * turn[third]
        if abs(w * r - p * q) < _NOTHING:
            a = math.atan2(p, w) if math.hypot(w, p) > math.hypot(q, r) else math.atan2(r, q)
            cos, sin = math.cos(a), math.sin(a)
            b = math.atan2(q * cos + r * sin, w * cos + p * sin)
            return [(_ROTATIONS[first], (2 * b,)), (_ROTATIONS[last], (2 * a,))]
    return None


def _three(turn: _Turn) -> _Gates | None:
    """Rotations about z, y and z, which any turn is.

    Of first, middle and last angle w = cos(middle/2) cos(sum/2), z = cos(middle/2) sin(sum/2),
    y = sin(middle/2) cos(difference/2) and x = -sin(middle/2) sin(difference/2), with last + first and last - first.
    """
    w, x, y, z = turn
    half_sum, half_difference = math.atan2(z, w), math.atan2(-x, y)
    middle = 2 * math.atan2(math.hypot(x, y), math.hypot(w, z))
    return [("rz", (half_sum - half_difference,)), ("ry", (middle,)), ("rz", (half_sum + half_difference,))]


_WAYS = (_none, _one, _two, _three)  # by how many gates they take
