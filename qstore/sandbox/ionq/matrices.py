"""The gates there are and their matrices, as qiskit-ionq's serialization means them.

In the qis gateset angles are radians, and `z` with a rotation is the phase gate. In the native gateset they
are turns. The first target is the least significant bit of a matrix's index.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

from qstore.sandbox.ionq.statevector import Rows, rows_of


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a gate that holds numbers.

    Attributes:
        field: Its name.
        default: What it is where absent; None where it must be there.
        count: How many numbers; 0 for a bare one.
    """

    field: str
    default: float | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """What a gate takes.

    Attributes:
        targets: How many.
        rows: Its matrix, as a function of its numbers.
        parameters: Where its numbers are.
    """

    targets: int
    rows: Callable[..., Rows]
    parameters: tuple[Parameter, ...] = ()


def _phase(angle: float) -> Rows:
    return rows_of([[1, 0], [0, cmath.exp(1j * angle)]])


def _rx(angle: float) -> Rows:
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    return rows_of([[c, s], [s, c]])


def _ry(angle: float) -> Rows:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return rows_of([[c, -s], [s, c]])


def _rz(angle: float) -> Rows:
    return rows_of([[cmath.exp(-0.5j * angle), 0], [0, cmath.exp(0.5j * angle)]])


def _xx(angle: float) -> Rows:
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    return rows_of([[c, 0, 0, s], [0, c, s, 0], [0, s, c, 0], [s, 0, 0, c]])


def _yy(angle: float) -> Rows:
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    return rows_of([[c, 0, 0, -s], [0, c, s, 0], [0, s, c, 0], [-s, 0, 0, c]])


def _zz(angle: float) -> Rows:
    even, odd = cmath.exp(-0.5j * angle), cmath.exp(0.5j * angle)
    return rows_of([[even, 0, 0, 0], [0, odd, 0, 0], [0, 0, odd, 0], [0, 0, 0, even]])


def _gpi(turns: float) -> Rows:
    turn = cmath.exp(2j * math.pi * turns)
    return rows_of([[0, turn.conjugate()], [turn, 0]])


def _gpi2(turns: float) -> Rows:
    turn = cmath.exp(2j * math.pi * turns)
    return rows_of([[_ROOT, -1j * _ROOT * turn.conjugate()], [-1j * _ROOT * turn, _ROOT]])


def _ms(first: float, second: float, turns: float) -> Rows:
    c, s = math.cos(math.pi * turns), -1j * math.sin(math.pi * turns)
    both = cmath.exp(2j * math.pi * (first + second))
    apart = cmath.exp(2j * math.pi * (first - second))
    return rows_of(
        [
            [c, 0, 0, s * both.conjugate()],
            [0, c, s * apart, 0],
            [0, s * apart.conjugate(), c, 0],
            [s * both, 0, 0, c],
        ]
    )


def _zz_turns(turns: float) -> Rows:
    return _zz(2 * math.pi * turns)


def _fixed(*matrix: list[complex]) -> Form:
    rows = rows_of(matrix)
    return Form(int(math.log2(len(matrix))), lambda: rows)


_ROOT = math.sqrt(0.5)
_PLUS, _MINUS = 0.5 + 0.5j, 0.5 - 0.5j

_ROTATION = (Parameter("rotation"),)
_PHASE = (Parameter("phase"),)
_QUARTER = Parameter("angle", default=0.25)

X = rows_of([[0, 1], [1, 0]])
Y = rows_of([[0, -1j], [1j, 0]])
Z = rows_of([[1, 0], [0, -1]])
PAULIS = {"X": X, "Y": Y, "Z": Z}

_NOT = Form(1, lambda: X)

GATESETS: dict[str, dict[str, Form]] = {
    "qis": {
        "x": _NOT,
        "not": _NOT,
        "cnot": _NOT,
        "y": Form(1, lambda: Y),
        "z": Form(1, _phase, (Parameter("rotation", default=math.pi),)),
        "h": _fixed([_ROOT, _ROOT], [_ROOT, -_ROOT]),
        "s": _fixed([1, 0], [0, 1j]),
        "si": _fixed([1, 0], [0, -1j]),
        "t": _fixed([1, 0], [0, _ROOT + _ROOT * 1j]),
        "ti": _fixed([1, 0], [0, _ROOT - _ROOT * 1j]),
        "v": _fixed([_PLUS, _MINUS], [_MINUS, _PLUS]),
        "vi": _fixed([_MINUS, _PLUS], [_PLUS, _MINUS]),
        "rx": Form(1, _rx, _ROTATION),
        "ry": Form(1, _ry, _ROTATION),
        "rz": Form(1, _rz, _ROTATION),
        "swap": _fixed([1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]),
        "xx": Form(2, _xx, _ROTATION),
        "yy": Form(2, _yy, _ROTATION),
        "zz": Form(2, _zz, _ROTATION),
    },
    "native": {
        "gpi": Form(1, _gpi, _PHASE),
        "gpi2": Form(1, _gpi2, _PHASE),
        "ms": Form(2, _ms, (Parameter("phases", count=2), _QUARTER)),
        "zz": Form(2, _zz_turns, (_QUARTER,)),
    },
}
"""For each gateset, every gate a matrix stands for."""
