"""Steps as IonQ reads them: a JSON array of gates, as qiskit-ionq writes it for the same circuit."""

from __future__ import annotations

import json
from collections.abc import Iterable

from qstore.circuits.flat import Step
from qstore.errors import UnsupportedCircuitError

_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

# By Qiskit's name: IonQ's, and how many of the qubits, from the first on, are controls; None for all but the last.
_GATES: dict[str, tuple[str, int | None]] = {
    **{name: (name, 0) for name in ("x", "y", "z", "h", "s", "t", "rx", "ry", "rz", "swap")},
    "sdg": ("si", 0),
    "tdg": ("ti", 0),
    "sx": ("v", 0),
    "sxdg": ("vi", 0),
    "p": ("z", 0),  # a z that turns by less
    "rxx": ("xx", 0),
    "ryy": ("yy", 0),
    "rzz": ("zz", 0),
    **{f"c{name}": (name, 1) for name in ("x", "y", "z", "h", "rx", "ry", "rz")},
    "csx": ("v", 1),
    "cp": ("z", 1),
    "mcx": ("x", None),
    "mcphase": ("z", None),
}
_SILENT = {"barrier", "id"}


def write(steps: Iterable[Step]) -> bytes:
    """The steps as compact JSON; barriers and identities, which IonQ has no word for, are left out.

    Raises:
        UnsupportedCircuitError: There is a gate IonQ has no word for.
    """
    return _ENCODE([_gate(step) for step in steps if step.name not in _SILENT]).encode()


def _gate(step: Step) -> dict[str, str | float | tuple[int, ...]]:
    try:
        name, controls = _GATES[step.name]
    except KeyError:
        raise UnsupportedCircuitError(f"IonQ has no gate {step.name!r}.") from None
    cut = len(step.qubits) - 1 if controls is None else controls
    gate: dict[str, str | float | tuple[int, ...]] = {"gate": name, "targets": step.qubits[cut:]}
    if cut:
        gate["controls"] = step.qubits[:cut]
    if step.angles:
        (gate["rotation"],) = step.angles
    return gate
