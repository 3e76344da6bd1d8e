"""A circuit as OpenQASM 3, which may measure and reset its qubits on the way, and shots of it.

Outcomes are numbers whose bit i is the program's i-th classical bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import qasm3, transpile
from qiskit.circuit import Gate

from qstore.sandbox.ionq.matrices import X
from qstore.sandbox.ionq.statevector import Rows, State, apply, ground, probabilities, rows_of

WIDEST_PROGRAM = 18
"""Qubits beyond which a program is not simulated: every measurement on the way may keep a state more."""

MOST_BITS = 62
"""Classical bits an outcome holds."""

_NO_GATES = ("measure", "reset", "barrier", "delay")


class InvalidProgramError(ValueError):
    """The text is no OpenQASM 3 that can run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, read and checked.

    Attributes:
        name: What its sender calls it.
        circuit: A Qiskit circuit of nothing but gates, measurements, resets, barriers and delays.
        qubits: How many it has.
    """

    name: str | None
    circuit: Any
    qubits: int

    @property
    def gate_counts(self) -> tuple[int, int]:
        """How many gates act on one qubit, and how many on more."""
        widths = [step.operation.num_qubits for step in self.circuit.data if isinstance(step.operation, Gate)]
        single = widths.count(1)
        return single, len(widths) - single

    @property
    def registers(self) -> dict[str, list[int]]:
        """For each classical register the classical bits it is made of, its index 0 first."""
        place = {bit: position for position, bit in enumerate(self.circuit.clbits)}
        return {register.name: [place[bit] for bit in register] for register in self.circuit.cregs}

    def draw(self, shots: int, rng: np.random.Generator, checkpoint: Callable[[], None]) -> NDArray[np.int64]:
        """Draw shots, exactly as the program's measurements would fall.

        At a measurement the shots that came so far part in two; a branch is simulated once, however many
        shots take it. The measurements that end the program are drawn together.

        Args:
            shots: How many to draw.
            rng: Where chance comes from.
            checkpoint: Called at every step; what it raises ends the simulation.

        Returns:
            The outcome of each shot, in random order, shape `(shots,)`.
        """
        steps = _steps(self.circuit)
        tail = len(steps)
        while tail and steps[tail - 1].name == "measure":
            tail -= 1
        axes = {qubit: self.qubits - 1 - qubit for qubit in range(self.qubits)}
        outcomes: list[int] = []
        counts: list[int] = []
        branches = [_Branch(0, ground(self.qubits), 0, shots)]
        while branches:
            branch = branches.pop()
            while branch.position < tail:
                checkpoint()
                step = steps[branch.position]
                branch.position += 1
                if step.rows is None:
                    branches += branch.part(step, axes, rng)
                    break
                apply(branch.state, step.rows, step.qubits, (), axes)
            else:
                chances = probabilities(branch.state)
                drawn = rng.multinomial(branch.shots, chances / chances.sum())
                for basis in np.flatnonzero(drawn).tolist():
                    outcomes.append(_recorded(steps[tail:], basis, branch.outcome))
                    counts.append(int(drawn[basis]))
        order = np.repeat(np.array(outcomes, np.int64), counts)
        rng.shuffle(order)
        return order


def read_program(name: str | None, text: str) -> Program:
    """Read OpenQASM 3.

    Raises:
        InvalidProgramError: If it is not OpenQASM 3, or holds what cannot run here.
    """
    try:
        circuit = qasm3.loads(text)
    except Exception as error:  # noqa: BLE001 - whatever the parser trips over is the sender's text
        raise InvalidProgramError(f"not OpenQASM 3: {error}") from None
    for step in circuit.data:
        if not isinstance(step.operation, Gate) and step.operation.name not in _NO_GATES:
            raise InvalidProgramError(f"{step.operation.name!r} is not supported")
    if circuit.parameters:
        raise InvalidProgramError("the program has free parameters")
    if circuit.num_clbits > MOST_BITS:
        raise InvalidProgramError(f"the program has more than {MOST_BITS} classical bits")
    return Program(name, circuit, circuit.num_qubits)


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction: a matrix on qubits or, without one, a measurement or a reset of one qubit."""

    name: str
    qubits: tuple[int, ...]
    bit: int
    rows: Rows | None


@dataclass(slots=True)
class _Branch:
    """What the shots of one history of outcomes share.

    Attributes:
        position: The step that comes next.
        state: The amplitudes.
        outcome: The classical bits so far.
        shots: How many shots have this history.
    """

    position: int
    state: State
    outcome: int
    shots: int

    def part(self, step: _Step, axes: dict[int, int], rng: np.random.Generator) -> list[_Branch]:
        """The branches a measurement or a reset leaves, those no shot takes left out."""
        (qubit,) = step.qubits
        chance = [
            float(np.sum(np.abs(np.take(self.state, value, axes[qubit])) ** 2, dtype=np.float64)) for value in (0, 1)
        ]
        ones = int(rng.binomial(self.shots, min(1.0, chance[1] / sum(chance))))
        branches = []
        for value, shots in ((0, self.shots - ones), (1, ones)):
            if not shots:
                continue
            state = self.state / chance[value] ** 0.5
            np.moveaxis(state, axes[qubit], 0)[1 - value] = 0
            outcome = self.outcome
            if step.name == "measure":
                outcome = _recorded([step], value << qubit, outcome)
            elif value:
                apply(state, X, step.qubits, (), axes)
            branches.append(_Branch(self.position, state, outcome, shots))
        return branches


def _recorded(steps: Sequence[_Step], basis: int, outcome: int) -> int:
    """The classical bits after measurements that found the qubits in a basis state."""
    for step in steps:
        outcome &= ~(1 << step.bit)
        outcome |= (basis >> step.qubits[0] & 1) << step.bit
    return outcome


def _steps(circuit: Any) -> list[_Step]:
    """The program down to gates on one qubit, CNOTs, measurements and resets."""
    simple = transpile(circuit, basis_gates=["u", "cx", "measure", "reset"], optimization_level=0)
    steps = []
    for instruction in simple.data:
        operation = instruction.operation
        if operation.name in ("barrier", "delay"):
            continue
        qubits = tuple(simple.find_bit(qubit).index for qubit in instruction.qubits)
        bits = [simple.find_bit(bit).index for bit in instruction.clbits]
        rows = rows_of(operation.to_matrix().tolist()) if isinstance(operation, Gate) else None
        steps.append(_Step(operation.name, qubits, bits[0] if bits else 0, rows))
    return steps
