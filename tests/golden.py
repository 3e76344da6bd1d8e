"""Circuits whose fingerprints are written down in golden.json, and a program that prints them.

Results live under these names, in the caches of whoever has upgraded: a fingerprint that changes loses them, and one
that is taken over by another circuit gives wrong ones. So where one changes, `VERSION` of qstore.circuits.fingerprint
has to change, and `python tests/golden.py > tests/golden.json` writes the new ones down.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from qiskit import QuantumCircuit
from qiskit.circuit.library import CXGate, MCPhaseGate, MCXGate, UnitaryGate

from qstore.circuits.canonical import fingerprint
from qstore.job import LEVELS


def bell() -> QuantumCircuit:
    """The first circuit anybody runs."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def every_gate() -> QuantumCircuit:
    """Every kind of gate IonQ takes, at angles of every kind, and some that have no name."""
    circuit = QuantumCircuit(4, 4)
    for name in ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg"):
        getattr(circuit, name)(0)
        getattr(circuit, name)(2)
    for number, name in enumerate(("rx", "ry", "rz", "p")):
        getattr(circuit, name)(0.1 + number, number)
        getattr(circuit, name)(-math.pi / 4 * number, number)
    for number, name in enumerate(("crx", "cry", "crz", "cp", "rxx", "ryy", "rzz")):
        getattr(circuit, name)(math.tau + number / 7, number % 4, (number + 1) % 4)
    for name in ("cx", "cy", "cz", "ch", "csx", "swap"):
        getattr(circuit, name)(1, 3)
    circuit.ccx(0, 1, 2)
    circuit.append(MCXGate(3), [3, 2, 1, 0])
    circuit.append(MCPhaseGate(1e6, 3), [3, 2, 1, 0])
    circuit.append(CXGate(ctrl_state=0), [0, 1])
    circuit.append(UnitaryGate([[0, 1j], [1j, 0]]), [3])
    circuit.measure(range(4), range(4))
    return circuit


def reorderable() -> QuantumCircuit:
    """Gates that commute, merge and cancel."""
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    circuit.rz(0.25, 0)
    circuit.barrier()
    circuit.delay(100, 1, "ns")
    circuit.swap(1, 2)
    circuit.rzz(0.5, 2, 1)
    circuit.swap(1, 2)
    circuit.h(0)
    circuit.h(0)
    circuit.measure_all()
    return circuit


def teleported() -> QuantumCircuit:
    """Measurements in the middle, and what hangs on them."""
    circuit = QuantumCircuit(3, 3)
    circuit.ry(0.7, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((circuit.clbits[1], 1)):
        circuit.x(2)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.z(2)
    circuit.measure(2, 2)
    return circuit


def reused() -> QuantumCircuit:
    """One qubit read twice, with a reset in between."""
    circuit = QuantumCircuit(1, 2)
    for clbit in (1, 0):
        circuit.ry(1.1, 0)
        circuit.measure(0, clbit)
        circuit.reset(0)
    return circuit


CIRCUITS: tuple[Callable[[], QuantumCircuit], ...] = (bell, every_gate, reorderable, teleported, reused)


def fingerprints() -> dict[str, dict[str, str]]:
    """By circuit, then by level."""
    return {build.__name__: {level: fingerprint(build(), level) for level in LEVELS} for build in CIRCUITS}


if __name__ == "__main__":
    print(json.dumps(fingerprints(), indent=2))  # noqa: T201  this is what it is for
