"""Steps that do nothing to a qubit: delays, which IonQ does not have, and barriers, which only tell the compiler.

The invariant: what is left does the same, and compiles to the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from qstore.circuits.flat import Line


def is_idling(name: str) -> bool:
    """Whether a step of that name leaves every qubit as it is."""
    return name == "barrier" or is_delay(name)


def is_delay(name: str) -> bool:
    """Whether a step of that name is a delay, in whatever unit."""
    return name.startswith("delay ")


def without_idling(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines, less delays, and less the barriers that nothing on any of their qubits comes behind."""
    end = len(lines)
    while end and is_idling(lines[end - 1][0]):
        end -= 1
    lines = lines[:end]
    if not any(map(is_idling, {line[0] for line in lines})):
        return lines
    kept: list[Line] = []
    alive: set[int] = set()
    for line in reversed(lines):
        name, qubits, _, _ = line
        if not is_idling(name) or (name == "barrier" and not alive.isdisjoint(qubits)):
            kept.append(line)
            alive.update(qubits)
    kept.reverse()
    return kept
