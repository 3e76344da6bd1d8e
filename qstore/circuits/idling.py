"""Steps that do nothing to a qubit: delays, which IonQ does not have, and barriers, which only tell the compiler.

The invariant: what is left does the same, and compiles to the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from qstore.circuits.flat import Step


def is_idling(name: str) -> bool:
    """Whether a step of that name leaves every qubit as it is."""
    return name == "barrier" or is_delay(name)


def is_delay(name: str) -> bool:
    """Whether a step of that name is a delay, in whatever unit."""
    return name.startswith("delay ")


def without_idling(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps, less delays, and less the barriers that nothing on any of their qubits comes behind."""
    end = len(steps)
    while end and is_idling(steps[end - 1].name):
        end -= 1
    steps = steps[:end]
    if not any(map(is_idling, {step.name for step in steps})):
        return steps
    kept: list[Step] = []
    alive: set[int] = set()
    for step in reversed(steps):
        if not is_idling(step.name) or (step.name == "barrier" and not alive.isdisjoint(step.qubits)):
            kept.append(step)
            alive.update(step.qubits)
    kept.reverse()
    return kept
