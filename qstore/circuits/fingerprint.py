"""The name of a circuit: what it does, and nothing of how its author wrote it down.

The invariant: equal fingerprints mean equal outcome distributions. They are the same in every process, on every machine
and with every Qiskit that knows the gates.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256

from qstore.circuits.flat import Line
from qstore.circuits.normal_form import listed, normal_form
from qstore.circuits.words import words
from qstore.job import Level

VERSION = "qstore-fingerprint-3"
"""Changes whenever the same circuit would get another fingerprint, or another circuit the same."""


def fingerprint_of(lines: Sequence[Line], qubits: int, clbits: int, form: str, level: Level) -> str:
    """sha256 of the normal form of a circuit, in hex.

    Args:
        lines: The circuit's.
        qubits: How many it has.
        clbits: How many it has, as far as they matter.
        form: What its outcome is over.
        level: How much another may differ; part of the fingerprint.
    """
    numbers: Sequence[float]
    if level == "exact":
        names, numbers = words(lines, qubits, clbits)
    else:
        names, numbers = listed(normal_form(lines, qubits, clbits, level, trims=form == "qis"))
    return sha256(packed(names, numbers, qubits, clbits, form, level)).hexdigest()


def packed(names: Iterable[str], numbers: Sequence[float], qubits: int, clbits: int, form: str, level: Level) -> bytes:
    """What is hashed: all texts, then all numbers, 64 bits each, least significant byte first.

    Args:
        names: Of the gates, in normal form.
        numbers: That belong to them.
        qubits: Here and below, as for `fingerprint_of`.
        clbits: How many matter.
        form: What the outcome is over.
        level: How much another may differ.
    """
    texts = "\n".join((f"{VERSION} {level} {form} {qubits} {clbits}", *names)).encode()
    return texts + struct.pack(f"<{len(numbers) + 1}q", len(texts), *numbers)
