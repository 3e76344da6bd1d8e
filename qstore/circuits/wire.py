"""Steps as IonQ reads them: a JSON array of gates, as qiskit-ionq writes it for the same circuit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from qstore.circuits.flat import Step
from qstore.errors import UnsupportedCircuitError

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


def write(steps: Iterable[Step], spell: Callable[[float], str] = float.__repr__) -> bytes:
    """The steps as compact JSON; barriers and identities, which IonQ has no word for, are left out.

    Args:
        steps: Gates of IonQ's and barriers, with finite angles.
        spell: An angle as text.

    Raises:
        UnsupportedCircuitError: There is a gate IonQ has no word for.
    """
    gates = []
    for name, qubits, _, angles in steps:
        if name in _SILENT:
            continue
        if angles:
            (angle,) = angles
            gates.append(f'{_place(name, qubits)},"rotation":{spell(angle)}}}')
        else:
            gates.append(_place(name, qubits) + "}")
    return f"[{','.join(gates)}]".encode()


@lru_cache(maxsize=16_384)
def _place(name: str, qubits: tuple[int, ...]) -> str:
    """All of a gate but its angle, and the end."""
    try:
        gate, controls = _GATES[name]
    except KeyError:
        raise UnsupportedCircuitError(f"IonQ has no gate {name!r}.") from None
    cut = len(qubits) - 1 if controls is None else controls
    text = f'{{"gate":"{gate}","targets":[{_list(qubits[cut:])}]'
    return f'{text},"controls":[{_list(qubits[:cut])}]' if cut else text


def _list(qubits: tuple[int, ...]) -> str:
    return ",".join(map(str, qubits))
