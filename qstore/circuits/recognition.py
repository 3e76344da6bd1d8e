"""Circuits that were read before: named at once, as long as they are what they were.

The invariant: what is recognized is what reading it afresh would give. A circuit that was changed in place is read
afresh, and so is one with gates that could be changed from outside.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Measure, Reset

from qstore.circuits.canonical import Canonical, Registers, canonicalize, registers_of
from qstore.circuits.codec import decode
from qstore.circuits.recent import Recent
from qstore.job import Level

_UNCHANGING = (Barrier, Measure, Reset)  # besides Qiskit's standard gates


@dataclass(frozen=True, slots=True)
class Named:
    """A circuit as it was handed in.

    Attributes:
        name: The circuit's own.
        canonical: Its canonical form.
    """

    name: str
    canonical: Canonical


class Recognition:
    """Reads circuits, and remembers those it read: text at once, a circuit the second time. Safe in threads.

    Args:
        capacity: Circuits remembered.
        capacity_steps: The most gates they may have together.
    """

    def __init__(self, capacity: int = 1000, capacity_steps: int = 200_000) -> None:
        self._seen: Recent[Hashable, _Seen] = Recent(capacity, capacity_steps, lambda seen: seen.weight)
        self._read: Recent[Hashable, Literal[True]] = Recent(capacity, capacity, lambda _: 1)
        self._dead: deque[Hashable] = deque()  # filled by the garbage collector, which may come at any moment

    def read(self, circuit: object, level: Level) -> Named:
        """Decode a circuit and bring it into canonical form.

        Args:
            circuit: As `decode` takes it.
            level: As for `canonicalize`.

        Raises:
            InvalidJobError: As `decode` and `canonicalize` raise it.
        """
        key = (circuit if isinstance(circuit, str) else id(circuit), level)
        seen = self._seen.get(key)
        if seen is not None and seen.is_still(circuit):
            return seen.named
        decoded = decode(circuit)
        named = Named(str(decoded.name), canonicalize(decoded, level))
        if isinstance(circuit, str):
            self._remember(key, _Seen(named))
        elif self._is_old(key) and (snapshot := _snapshot(decoded)) is not None:
            self._remember(key, _Seen(named, weakref.ref(decoded, lambda _: self._dead.append(key)), snapshot))
        return named

    def _is_old(self, key: Hashable) -> bool:
        """Whether a circuit may have been read before: most are read once, and a snapshot would be for nothing."""
        old = self._read.get(key) is not None
        self._read.put(key, True)  # noqa: FBT003  what is kept is that it was read
        return old

    def _remember(self, key: Hashable, seen: _Seen) -> None:
        while self._dead:
            self._seen.forget(self._dead.popleft(), lambda dead: not dead.is_alive)
        self._seen.put(key, seen)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a circuit was when it was read: all that its name and its canonical form depend on."""

    name: str
    data: Any
    qubits: int
    registers: Registers

    def shows(self, circuit: Any) -> bool:
        """Whether the circuit is still the same."""
        return (
            self.name == circuit.name
            and self.qubits == circuit.num_qubits
            and self.data == circuit._data  # noqa: SLF001 - compares gates in Rust; Qiskit's == builds two graphs
            and self.registers == registers_of(circuit)
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A circuit that was read: text where there is no reference, which cannot change."""

    named: Named
    circuit: weakref.ref[QuantumCircuit] | None = None
    snapshot: _Snapshot | None = None

    @property
    def weight(self) -> int:
        return len(self.named.canonical.lines) + 1

    @property
    def is_alive(self) -> bool:
        return self.circuit is None or self.circuit() is not None

    def is_still(self, circuit: object) -> bool:
        """Whether the circuit is the one that was read, and as it was then."""
        if self.circuit is None or self.snapshot is None:
            return True
        return self.circuit() is circuit and self.snapshot.shows(circuit)


def _snapshot(circuit: QuantumCircuit) -> _Snapshot | None:
    """The circuit as it is now; None where it holds what could change without its noticing."""
    data = circuit._data.copy()  # noqa: SLF001 - as above
    others: list[Any] = []

    def note(operation: Any) -> Any:
        others.append(operation)
        return operation

    data.map_nonstandard_ops(note)
    if not all(isinstance(other, _UNCHANGING) for other in others):
        return None
    return _Snapshot(circuit.name, data, circuit.num_qubits, registers_of(circuit))
