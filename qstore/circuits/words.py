"""What happens along every wire of a circuit: its gates in their order, and nothing of who came first across wires.

The invariant: circuits have the same words exactly if they are the same but for the order of gates that share no wire.
A gate stands in the word of its first wire; in those of its other wires stands a reference to that one. Gates that
share two wires have the same order on both, so the n-th reference to a wire is to the n-th gate there that says so, and
the words tell the circuit. That words over what depends on each other determine a trace is due to Cori and Perrin,
"Automates et commutations partielles", 1985.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from qstore.circuits.angle import matrix_on_grid, on_grid, to_the_bit
from qstore.circuits.commutation import RULES
from qstore.circuits.flat import Line
from qstore.circuits.idling import is_delay

_REFERENCE = ""  # no gate's name


def words(lines: Iterable[Line], qubits: int, clbits: int) -> tuple[list[str], list[int]]:
    """The words of all wires, qubits first, as names and numbers.

    The numbers begin with how many names each wire has. The names say what follows: a reference its wire, a gate its
    other wires, then its angles, or matrix, on the grid.

    Args:
        lines: The circuit's.
        qubits: How many it has.
        clbits: How many it has, as far as they matter.
    """
    names: list[list[str]] = [[] for _ in range(qubits + clbits)]
    numbers: list[list[int]] = [[] for _ in range(qubits + clbits)]
    for name, on, into, angles in lines:
        wires = (*on, *[qubits + clbit for clbit in into]) if into else on
        first = wires[0]
        word = numbers[first]
        if len(wires) > 1:
            others = wires[1:]
            word += others
            for wire in others:
                names[wire].append(_REFERENCE)
                numbers[wire].append(first)
        if name in RULES:
            names[first].append(name)
            for angle in angles:
                word.append(on_grid(angle))  # one by one: mostly there is one, or none
        else:
            names[first].append(f"{name} on {len(wires)}")  # there are such of any size
            word += _exactly(name, angles)
    return [*chain(*names)], [*map(len, names), *chain(*numbers)]


def _exactly(name: str, angles: tuple[float, ...]) -> Iterable[int]:
    if name == "unitary":
        return matrix_on_grid(angles)
    # a grid in radians says nothing of seconds
    return map(to_the_bit if is_delay(name) else on_grid, angles)
