"""Which circuits need no compiler: on the hot path most of the time would go into finding nothing to do."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from qstore.circuits.flat import Step

_TURN = 2 * math.pi
_NEGLIGIBLE = 1e-5  # radians from a whole turn within which a gate may be no gate at all


def is_minimal(steps: Iterable[Step], gates: Collection[str]) -> bool:
    """Whether Qiskit's levels 0 and 1 could do nothing for a circuit but spell it differently.

    They translate gates the target lacks, merge neighboring gates on one qubit, and cancel neighbors that undo each
    other. So a circuit needs none of it where every gate is the target's own, no qubit has two single-qubit
    gates in a row, no two gates in a row act on the same qubits, and no rotation is negligible.

    Args:
        steps: Of a circuit that measures at the end only.
        gates: Names of the target's gates.
    """
    before: dict[int, tuple[int, ...]] = {}  # by qubit: the qubits of the last step on it
    for step in steps:
        if step.name == "barrier":
            before.update((qubit, ()) for qubit in step.qubits)
            continue
        if step.clbits or step.name in {"id", "reset"} or step.name not in gates:
            return False
        if any(abs(math.remainder(angle, _TURN)) < _NEGLIGIBLE for angle in step.angles):
            return False
        on = tuple(sorted(step.qubits))
        if all(before.get(qubit) == on for qubit in on):
            return False
        before.update((qubit, on) for qubit in on)
    return True
