"""The name of a circuit: what it does, and nothing of how its author wrote it down.

The invariant: equal fingerprints mean equal outcome distributions. They are the same in every process, on every machine
and with every Qiskit that knows the gates.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import sha256

from qstore.circuits.flat import Step
from qstore.circuits.normal_form import Record, normal_form
from qstore.job import Level

VERSION = "qstore-fingerprint-2"
"""Changes whenever the same circuit would get another fingerprint, or another circuit the same."""


def fingerprint_of(steps: Sequence[Step], qubits: int, clbits: int, form: str, level: Level) -> str:
    """sha256 of the normal form of a circuit, in hex.

    Args:
        steps: The circuit's.
        qubits: How many it has.
        clbits: How many it has, as far as they matter.
        form: What its outcome is over.
        level: How much another may differ; part of the fingerprint.
    """
    return sha256(
        packed(normal_form(steps, qubits, clbits, level, trims=form == "qis"), qubits, clbits, form, level)
    ).hexdigest()


def packed(records: Sequence[Record], qubits: int, clbits: int, form: str, level: Level) -> bytes:
    """What is hashed: all texts, then all numbers, 64 bits each, least significant byte first.

    Args:
        records: The normal form. Every list in it is written behind its length.
        qubits: Here and below, as for `fingerprint_of`.
        clbits: How many matter.
        form: What the outcome is over.
        level: How much another may differ.
    """
    header = f"{VERSION} {level} {form} {qubits} {clbits}"
    texts = "\n".join([header, *[name for _, _, name, _ in records]]).encode()
    numbers: list[float] = [len(texts)]
    for place, wires, _, angles in records:
        numbers += (place, len(wires), *wires, len(angles), *angles)
    return texts + struct.pack(f"<{len(numbers)}q", *numbers)
