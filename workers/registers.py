"""Shots of a circuit that traveled as OpenQASM 3, register by register, as a distribution over its clbits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from qstore.errors import InvalidResultError

REGISTER = "c"
"""The one classical register such a circuit travels with."""


def tally(shots: Any, width: int, expected: int) -> dict[int, float]:
    """Relative frequencies of the register's values; bit i is clbit i.

    Args:
        shots: IonQ's list of shots, each `{"registers": {"c": [bit 0, bit 1, …]}}`.
        width: Bits of the register.
        expected: Number of shots asked for.

    Raises:
        InvalidResultError: The list is none, or a shot has no such register.
    """
    try:
        values = Counter(_value(shot["registers"][REGISTER], width) for shot in shots)
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidResultError(f"IonQ's shots are not bits of the register {REGISTER!r}: {error!r}") from error
    if values.total() != expected:
        raise InvalidResultError(f"IonQ gave {values.total()} shots where {expected} were asked.")
    return {value: count / expected for value, count in sorted(values.items())}


def _value(bits: Any, width: int) -> int:
    if len(bits) != width or any(bit not in (0, 1) for bit in bits):
        raise ValueError(f"{bits!r} is no value of {width} bits")
    return sum(int(bit) << index for index, bit in enumerate(bits))
