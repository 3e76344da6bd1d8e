"""Circuits that do the same and are written differently: how often each level of the fingerprint sees through it.

Which neighbors may change places is read off their matrices, not off what qstore knows about gates.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import CircuitInstruction, Clbit, Gate, Measure, Qubit
from qiskit.circuit.library import (
    CCXGate,
    CHGate,
    CPhaseGate,
    CRXGate,
    CRYGate,
    CRZGate,
    CSXGate,
    CXGate,
    CYGate,
    CZGate,
    HGate,
    IGate,
    MCPhaseGate,
    MCXGate,
    PhaseGate,
    RXGate,
    RXXGate,
    RYGate,
    RYYGate,
    RZGate,
    RZZGate,
    SdgGate,
    SGate,
    SwapGate,
    SXdgGate,
    SXGate,
    TdgGate,
    TGate,
    XGate,
    YGate,
    ZGate,
)
from qiskit.quantum_info import Operator
from rich.box import SIMPLE_HEAD
from rich.table import Table

from qstore.circuits.canonical import fingerprint
from qstore.job import LEVELS

Variant = Callable[[QuantumCircuit, random.Random], QuantumCircuit]
Fixed = Sequence[Callable[[], Gate]]
Rotations = Sequence[Callable[[float], Gate]]
Rates = Mapping[str, Mapping[str, float]]


class Kinds(NamedTuple):
    """Which gates a circuit is made of.

    Attributes:
        fixed: Those that do not turn by an angle.
        rotations: Those that do.
        eighths: The share of angles that are multiples of an eighth of a turn.
    """

    fixed: Fixed
    rotations: Rotations
    eighths: float


_FIXED: Fixed = (
    *(XGate, YGate, ZGate, HGate, SGate, SdgGate, SXGate, SXdgGate, TGate, TdgGate, IGate),
    *(CXGate, CYGate, CZGate, CHGate, SwapGate, CCXGate, lambda: MCXGate(3), CSXGate),
)
_ROTATIONS: Rotations = (
    *(RXGate, RYGate, RZGate, PhaseGate, RXXGate, RYYGate, RZZGate, CPhaseGate, CRXGate, CRYGate, CRZGate),
    lambda angle: MCPhaseGate(angle, 2),
)

EVERY_KIND = Kinds(_FIXED, _ROTATIONS, 1 / 2)
"""Whatever IonQ takes."""

USUAL = Kinds(
    (XGate, HGate, SGate, TGate, SXGate, CXGate, CZGate), (RXGate, RYGate, RZGate, CPhaseGate, RZZGate), 1 / 2
)
"""What most algorithms are made of."""

CLIFFORD = Kinds((XGate, HGate, SGate, SdgGate, CXGate, CZGate), (), 0)
"""No angles, which are most of what writing text costs."""

_UNDONE_IN_KIND = EVERY_KIND._replace(fixed=_FIXED[:-1])  # the inverse of the last fixed one is three other gates
_TWO_TURNS = (CRXGate, CRYGate, CRZGate)  # after one turn a control notices
_COMMUTES = 1e-9


def random_circuit(qubits: int, gates: int, rng: random.Random, kinds: Kinds = EVERY_KIND) -> QuantumCircuit:
    """Gates at random, half of them rotations where there are any; every qubit is measured.

    Args:
        qubits: At least 4.
        gates: How many.
        rng: Decides.
        kinds: Its gates.
    """
    circuit = QuantumCircuit(qubits, qubits)
    for _ in range(gates):
        if not kinds.rotations or rng.random() < 1 / 2:
            gate = rng.choice(kinds.fixed)()
        else:
            angle = rng.uniform(-math.tau, math.tau)
            if rng.random() < kinds.eighths:
                angle = rng.randint(-7, 7) * math.pi / 4
            gate = rng.choice(kinds.rotations)(angle)
        circuit.append(gate, rng.sample(range(qubits), gate.num_qubits), copy=False)
    circuit.measure(range(qubits), range(qubits))
    return circuit


# -- the same gates ---------------------------------------------------------------------------------------------------


def renamed(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Other registers, names, metadata and global phase."""
    cut = rng.randint(1, circuit.num_qubits - 1)
    sizes = (cut, circuit.num_qubits - cut)
    registers = [QuantumRegister(size, f"r{rng.random()}") for size in sizes]
    qubits = [qubit for register in registers for qubit in register]
    other = QuantumCircuit(*registers, [Clbit() for _ in circuit.clbits])
    if rng.random() < 1 / 2:
        qubits = [Qubit() for _ in circuit.qubits]
        other = QuantumCircuit(qubits, ClassicalRegister(circuit.num_clbits, "other"))
    other.name, other.metadata, other.global_phase = f"n{rng.random()}", {"by": "another"}, rng.uniform(0, 6)
    return _filled(other, circuit, circuit.data, qubits, other.clbits)


def reordered(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Neighbors that share no wire in another order, many times over."""
    return _shuffled(circuit, rng, _are_disjoint)


def commuted(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Neighbors whose matrices commute in another order, many times over."""
    return _shuffled(circuit, rng, commute)


def relabeled(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Measured into other clbits, of other registers, of which some are left over."""
    spare = rng.randint(0, 3)
    cregs = [ClassicalRegister(spare, "spare")] if spare else []
    other = QuantumCircuit(circuit.qubits, ClassicalRegister(circuit.num_clbits, "other"), *cregs)
    clbits = rng.sample(other.clbits, circuit.num_clbits)
    return _filled(other, circuit, circuit.data, circuit.qubits, clbits)


def turned(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Every angle by a whole turn, or two of them, more or less."""

    def turn(gate: Gate) -> Gate:
        period = 2 * math.tau if isinstance(gate, _TWO_TURNS) else math.tau
        return _at(gate, gate.params[0] + rng.choice((-period, period)))

    return _with_rotations(circuit, lambda gate: [turn(gate)])


def nudged(circuit: QuantumCircuit, _: random.Random) -> QuantumCircuit:
    """Every angle by 1e-12 more."""
    return _with_rotations(circuit, lambda gate: [_at(gate, gate.params[0] + 1e-12)])


# -- other gates that do the same -------------------------------------------------------------------------------------


def padded(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """A gate and its inverse somewhere in between."""
    qubits = circuit.num_qubits
    place = rng.randint(0, len(circuit.data) - circuit.num_clbits)
    front, pair = circuit.copy_empty_like(), _unmeasured(qubits, 1, rng)
    front.data = circuit.data[:place]
    front.compose(pair, range(qubits), inplace=True)
    front.compose(pair.inverse(), range(qubits), inplace=True)
    for instruction in circuit.data[place:]:
        front.append(instruction)
    return front


def split(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Every rotation in two parts."""

    def parts(gate: Gate) -> list[Gate]:
        share = rng.random()
        return [_at(gate, gate.params[0] * share), _at(gate, gate.params[0] * (1 - share))]

    return _with_rotations(circuit, parts)


def mirrored(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    """Behind another circuit of the same size, and that one's inverse."""
    gates = len(circuit.data) - circuit.num_clbits
    there = _unmeasured(circuit.num_qubits, gates, rng)
    whole = circuit.copy_empty_like()
    for part in (there, there.inverse()):
        whole.compose(part, range(circuit.num_qubits), inplace=True)
    return whole.compose(circuit, range(circuit.num_qubits), range(circuit.num_clbits))


SAME_GATES: Mapping[str, Variant] = {
    "registers renamed": renamed,
    "disjoint gates reordered": reordered,
    "commuting gates swapped": commuted,
    "clbits relabeled": relabeled,
    "angles + 2 pi": turned,
    "angles + 1e-12": nudged,
}
"""What the level `commuting` is to see through."""

OTHER_GATES: Mapping[str, Variant] = {
    "a gate and its inverse": padded,
    "rotations in two parts": split,
    "a circuit and its mirror": mirrored,
}
"""What only `semantic` may see through, as far as it can."""


# -- how often --------------------------------------------------------------------------------------------------------


def hit_rates(variants: Mapping[str, Variant], circuits: int, gates: int, seed: int) -> Rates:
    """The share of circuits that share a fingerprint with their variant: by variant, by level.

    Args:
        variants: By name.
        circuits: How many random ones, of 4 to 6 qubits.
        gates: In each.
        seed: Of all that is random.
    """
    rng = random.Random(seed)  # noqa: S311  nobody's secret
    hits = {name: dict.fromkeys(LEVELS, 0) for name in variants}
    for _ in range(circuits):
        circuit = random_circuit(rng.randint(4, 6), gates, rng)
        for name, variant in variants.items():
            other = variant(circuit, rng)
            for level in LEVELS:
                hits[name][level] += fingerprint(circuit, level) == fingerprint(other, level)
    return {name: {level: count / circuits for level, count in found.items()} for name, found in hits.items()}


def table(rates: Rates, title: str) -> Table:
    """Hit rates, a line for each variant and a column for each level."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("variant", no_wrap=True)
    for level in LEVELS:
        made.add_column(level, justify="right")
    for name, found in rates.items():
        made.add_row(name, *[f"{found[level]:.2%}" for level in LEVELS])
    return made


# -- how ---------------------------------------------------------------------------------------------------------------


def commute(one: CircuitInstruction, other: CircuitInstruction) -> bool:
    """Whether two instructions may change places: they share no wire, or their matrices commute, up to a sign."""
    if _are_disjoint(one, other):
        return True
    if isinstance(one.operation, Measure) or isinstance(other.operation, Measure):
        return False
    wires = list(dict.fromkeys((*one.qubits, *other.qubits)))
    places = [[wires.index(qubit) for qubit in each.qubits] for each in (one, other)]
    first, second = (
        Operator(np.eye(2 ** len(wires))).compose(Operator(each.operation), place)
        for each, place in zip((one, other), places, strict=True)
    )
    overlap = np.vdot((first @ second).data, (second @ first).data) / 2 ** len(wires)
    return bool(abs(overlap) > 1 - _COMMUTES)


def _are_disjoint(one: CircuitInstruction, other: CircuitInstruction) -> bool:
    return {*one.qubits, *one.clbits}.isdisjoint((*other.qubits, *other.clbits))


def _shuffled(
    circuit: QuantumCircuit, rng: random.Random, may: Callable[[CircuitInstruction, CircuitInstruction], bool]
) -> QuantumCircuit:
    data = list(circuit.data)
    for _ in range(2 * len(data)):
        place = rng.randrange(len(data) - 1)
        if may(data[place], data[place + 1]):
            data[place : place + 2] = data[place + 1], data[place]
    return _filled(circuit.copy_empty_like(), circuit, data, circuit.qubits, circuit.clbits)


def _filled(
    empty: QuantumCircuit,
    circuit: QuantumCircuit,
    data: Sequence[CircuitInstruction],
    qubits: Sequence[Qubit],
    clbits: Sequence[Clbit],
) -> QuantumCircuit:
    """The instructions on other bits."""
    qubit_of, clbit_of = dict(zip(circuit.qubits, qubits, strict=True)), dict(zip(circuit.clbits, clbits, strict=True))
    for each in data:
        on, into = [qubit_of[qubit] for qubit in each.qubits], [clbit_of[clbit] for clbit in each.clbits]
        empty.append(each.operation, on, into, copy=False)
    return empty


def _unmeasured(qubits: int, gates: int, rng: random.Random) -> QuantumCircuit:
    return random_circuit(qubits, gates, rng, _UNDONE_IN_KIND).remove_final_measurements(inplace=False)


def _with_rotations(circuit: QuantumCircuit, instead: Callable[[Gate], list[Gate]]) -> QuantumCircuit:
    other = circuit.copy_empty_like()
    for each in circuit.data:
        operations: list[Any] = instead(each.operation) if each.params else [each.operation]
        for operation in operations:
            other.append(operation, each.qubits, each.clbits, copy=False)
    return other


def _at(gate: Gate, angle: float) -> Gate:
    return MCPhaseGate(angle, gate.num_ctrl_qubits) if isinstance(gate, MCPhaseGate) else type(gate)(angle)
