"""Angles on a grid, so that the same rotation is the same number.

The invariant: a turn is a whole number of grid steps, so angles that are whole turns apart, and fractions of a turn
such as pi/4, get one number whichever way they were computed. Angles share a number only where they differ by less than
a step.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

TURN = 2**32
"""Grid steps in a turn of 2 pi radians: one is 1.46e-9 radians, less than any number of shots could tell."""

HALF_TURN = TURN // 2

_PER_RADIAN = TURN / math.tau
_PRECISE = 1024.0  # radians up to which a product with the above is exact to a ten-thousandth of a step
_UNIT = 2**30  # grid steps in 1 of a matrix entry
_SOLID = 0.3  # of the largest entry: an entry that large has a phase worth trusting


def on_grid(angle: float) -> int:
    """The nearest grid point, in steps, of an angle in radians; from 1024 radians on a number of its own."""
    if -_PRECISE < angle < _PRECISE:
        return round(angle * _PER_RADIAN)
    return to_the_bit(angle)  # far beyond all grid points


def to_the_bit(value: float) -> int:
    """A number of its own for every value, however close."""
    return int.from_bytes(struct.pack("<d", value), "little", signed=True)


def within(angle: float, period: int) -> int:
    """The nearest grid point modulo a period.

    Args:
        angle: Radians.
        period: Steps, a multiple of `TURN`.
    """
    if not -_PRECISE < angle < _PRECISE:
        angle = _reduced(angle, period)
    return round(angle * _PER_RADIAN) % period


def between(angle: float, period: int) -> float:
    """The same before it is rounded: sums of such are as good as the angle that was summed up first."""
    if not -_PRECISE < angle < _PRECISE:
        angle = _reduced(angle, period)
    return angle * _PER_RADIAN % period


def _reduced(angle: float, period: int) -> float:
    """The angle within a period: sines and cosines are reduced to the last bit, however large it is."""
    turns = period // TURN
    return turns * math.atan2(math.sin(angle / turns), math.cos(angle / turns))


def matrix_on_grid(entries: Sequence[float]) -> tuple[int, ...]:
    """The entries of a unitary matrix on a grid of 2^-30, the same for all that differ in a global phase only.

    Args:
        entries: Real and imaginary parts in turn, row by row.
    """
    values = [complex(*pair) for pair in zip(entries[::2], entries[1::2], strict=True)]
    largest = max(map(abs, values))
    solid = next(value for value in values if abs(value) > _SOLID * largest)
    phase = abs(solid) / solid
    return tuple([round(part * _UNIT) for value in values for part in ((value * phase).real, (value * phase).imag)])
