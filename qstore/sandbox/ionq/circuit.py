"""A circuit as a list of gates, read out once at the end, and its exact distribution.

Basis states are numbers whose bit i is qubit i.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.sandbox.ionq.gates import Gate, InvalidGateError, read_gate
from qstore.sandbox.ionq.statevector import ground, probabilities

WIDEST = 22
"""Qubits beyond which exact simulation is refused: 64 MiB of amplitudes, tenths of a second a gate."""

_NEGLIGIBLE = 1e-12  # a probability that is zero but for rounding


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a circuit yields, states of probability zero left out.

    Attributes:
        states: Basis states, ascending, shape `(k,)`.
        probabilities: Of each, shape `(k,)`; they sum to 1 but for rounding.
    """

    states: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Circuit:
    """A gate list.

    Attributes:
        name: What its sender calls it.
        gates: In the order they act.
        qubits: How many are read out.
    """

    name: str | None
    gates: tuple[Gate, ...]
    qubits: int

    @property
    def used(self) -> list[int]:
        """The qubits some gate acts on, ascending; all others stay 0 and cost nothing."""
        return sorted({qubit for gate in self.gates for qubit in gate.qubits})

    @property
    def gate_counts(self) -> tuple[int, int]:
        """How many gates act on one qubit, and how many on more."""
        single = sum(len(gate.qubits) == 1 for gate in self.gates)
        return single, len(self.gates) - single

    def distribution(self, checkpoint: Callable[[], None]) -> Distribution:
        """Simulate the circuit exactly.

        Args:
            checkpoint: Called before every gate; what it raises ends the simulation.
        """
        used = self.used
        last = len(used) - 1
        axes = {qubit: last - position for position, qubit in enumerate(used)}
        state = ground(len(used))
        for gate in self.gates:
            checkpoint()
            gate.apply(state, axes)
        found = probabilities(state)
        dense = np.flatnonzero(found > _NEGLIGIBLE)
        return Distribution(_spread(dense, used), found[dense])


def _spread(dense: NDArray[np.int64], used: list[int]) -> NDArray[np.int64]:
    """Basis states over the used qubits as basis states over all qubits."""
    if not used or used[-1] == len(used) - 1:
        return dense
    states = np.zeros_like(dense)
    for position, qubit in enumerate(used):
        states |= (dense >> position & 1) << qubit
    return states


def read_circuit(name: str | None, gates: list[Any], gateset: str, qubits: int, width: int | None) -> Circuit:
    """A circuit of the request.

    Args:
        name: What its sender calls it.
        gates: Its gates as JSON gave them.
        gateset: `qis` or `native`.
        qubits: How many qubits there are to act on.
        width: How many are read out; None for as many as are used, at least one.

    Raises:
        InvalidGateError: If a gate is no gate; the message names its position.
    """
    read = []
    for position, document in enumerate(gates):
        try:
            gate = read_gate(document, gateset, qubits)
        except InvalidGateError as error:
            raise InvalidGateError(f"gate {position}: {error}") from None
        if gate is not None:
            read.append(gate)
    if width is None:
        width = 1 + max((max(gate.qubits) for gate in read), default=0)
    return Circuit(name, tuple(read), width)
