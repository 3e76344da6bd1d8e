"""Wire cutting: a circuit as many smaller ones, and its distribution from theirs.

The identity on a wire is half a sum of eight terms, each of which measures one Pauli operator on the piece before the
cut and prepares one of its eigenstates on the piece after it (Peng, Harrow, Ozols and Wu, "Simulating large quantum
circuits on a small quantum computer", 2020). So k cuts make 8^k terms, and each term runs every fragment once, in its
own setting. The terms need three different measurements and six different states only, which is why most of those
runs repeat one another: of the (k + 1) 8^k runs of a chain in k + 1 fragments, at most 9 + 18 (k - 1) differ. That
alone avoids 43.8 % with one cut, 85.9 % with two, and 97.8 % with three.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

Array = NDArray[np.float64]

QUBITS = 8
PLACES = ((2, 4), (3, 5))
"""The qubits on which each chain is cut, in two ways: its answer must not depend on where."""


class Term(NamedTuple):
    """One of the eight terms of a cut.

    Attributes:
        basis: Gates that turn the eigenbasis of the measured operator into the one that is read out.
        signed: Whether a 1 counts as -1: not so for the identity.
        state: Gates that prepare the state after the cut from zero.
        sign: Of the term in the sum.
    """

    basis: tuple[str, ...]
    signed: bool
    state: tuple[str, ...]
    sign: int


TERMS = (
    Term((), signed=False, state=(), sign=1),
    Term((), signed=False, state=("x",), sign=1),
    Term(("h",), signed=True, state=("h",), sign=1),
    Term(("h",), signed=True, state=("x", "h"), sign=-1),
    Term(("sdg", "h"), signed=True, state=("h", "s"), sign=1),
    Term(("sdg", "h"), signed=True, state=("x", "h", "s"), sign=-1),
    Term((), signed=True, state=(), sign=1),
    Term((), signed=True, state=("x",), sign=-1),
)


class Cut(NamedTuple):
    """A place on a wire.

    Attributes:
        qubit: Whose wire.
        after: How many of the qubit's gates stand before it.
    """

    qubit: int
    after: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a circuit that no gate connects with the rest.

    Attributes:
        body: Its gates, on qubits of its own.
        prepared: By cut, the qubit that begins there.
        measured: By cut, the qubit that ends there.
        outputs: Every other qubit, and the qubit of the whole circuit it shows.
    """

    body: QuantumCircuit
    prepared: Mapping[int, int]
    measured: Mapping[int, int]
    outputs: Mapping[int, int]

    def run(self, terms: Sequence[Term]) -> QuantumCircuit:
        """The circuit to execute.

        Args:
            terms: By cut.
        """
        circuit = QuantumCircuit(self.body.num_qubits, name="fragment")
        for cut, qubit in self.prepared.items():
            _apply(circuit, terms[cut].state, qubit)
        circuit.compose(self.body, inplace=True)
        for cut, qubit in self.measured.items():
            _apply(circuit, terms[cut].basis, qubit)
        circuit.measure_all()
        return circuit

    def read(self, terms: Sequence[Term], distribution: Mapping[str, float]) -> Array:
        """What the outputs show, weighted with the signs of what was measured at the cuts.

        Args:
            terms: As they were executed.
            distribution: By bitstring, qubit 0 rightmost.

        Returns:
            One axis of length two for each output, in their order.
        """
        weights = np.zeros((2,) * len(self.outputs))
        signed = [qubit for cut, qubit in self.measured.items() if terms[cut].signed]
        for bits, share in distribution.items():
            ones = [bit == "1" for bit in reversed(bits)]
            odd = sum(ones[qubit] for qubit in signed) % 2
            weights[tuple(int(ones[qubit]) for qubit in self.outputs)] += -share if odd else share
        return weights


def _apply(circuit: QuantumCircuit, gates: Sequence[str], qubit: int) -> None:
    for gate in gates:
        getattr(circuit, gate)(qubit)


def fragments(circuit: QuantumCircuit, cuts: Sequence[Cut]) -> list[Fragment]:
    """The parts that are left when wires are cut.

    Args:
        circuit: Without measurements.
        cuts: On any wires, each between two gates.

    Raises:
        ValueError: A cut is not between two gates of its qubit.
    """
    done = [0] * circuit.num_qubits  # by qubit: its gates so far
    wires = [(qubit, 0) for qubit in range(circuit.num_qubits)]  # by qubit: itself, and how often it was cut
    begins: dict[tuple[int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    gates: list[tuple[Any, list[tuple[int, int]]]] = []
    for step in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in step.qubits]
        for qubit in qubits:
            if done[qubit] and (place := Cut(qubit, done[qubit])) in cuts:
                ends[wires[qubit]] = cuts.index(place)
                wires[qubit] = (qubit, wires[qubit][1] + 1)
                begins[wires[qubit]] = cuts.index(place)
            done[qubit] += 1
        gates.append((step.operation, [wires[qubit] for qubit in qubits]))
    if len(ends) < len(cuts):
        raise ValueError("Every cut has to be between two gates of its qubit.")
    parts = [{wire} for wire in {*wires, *ends}]
    for _, on in gates:
        connected = set().union(*(part for part in parts if not part.isdisjoint(on)))
        parts = [*(part for part in parts if part.isdisjoint(on)), connected]
    return [_fragment(sorted(part), gates, begins, ends) for part in sorted(parts, key=min)]


def _fragment(
    wires: list[tuple[int, int]],
    gates: Sequence[tuple[Any, list[tuple[int, int]]]],
    begins: Mapping[tuple[int, int], int],
    ends: Mapping[tuple[int, int], int],
) -> Fragment:
    index = {wire: number for number, wire in enumerate(wires)}
    body = QuantumCircuit(len(wires))
    for gate, on in gates:
        if on[0] in index:
            body.append(gate, [index[wire] for wire in on])
    return Fragment(
        body,
        {begins[wire]: index[wire] for wire in wires if wire in begins},
        {ends[wire]: index[wire] for wire in wires if wire in ends},
        {index[wire]: wire[0] for wire in wires if wire not in ends},
    )


def settings(cuts: int) -> Iterator[tuple[Term, ...]]:
    """All terms of so many cuts, each as one term by cut."""
    return itertools.product(TERMS, repeat=cuts)


def runs(parts: Sequence[Fragment], cuts: int) -> list[QuantumCircuit]:
    """Every circuit that is to be executed: of each term, every fragment."""
    return [part.run(terms) for terms in settings(cuts) for part in parts]


def reconstruct(parts: Sequence[Fragment], cuts: int, distributions: Sequence[Mapping[str, float]]) -> Array:
    """The distribution of the whole circuit.

    Args:
        parts: Its fragments.
        cuts: How many.
        distributions: By bitstring, in the order of `runs`.

    Returns:
        One axis of length two for each qubit, in their order.
    """
    left = iter(distributions)
    terms_of = settings(cuts)
    total: Array = sum(  # type: ignore[assignment]  # there is at least one term
        math.prod(term.sign for term in terms)
        * reduce(np.multiply.outer, [part.read(terms, next(left)) for part in parts])
        for terms in terms_of
    )
    shown = [qubit for part in parts for qubit in part.outputs.values()]
    whole: Array = total.transpose(np.argsort(shown)) / 2**cuts
    return whole


def distribution_of(circuit: QuantumCircuit) -> Array:
    """The exact distribution of a circuit without measurements.

    Returns:
        One axis of length two for each qubit, in their order.
    """
    probabilities: Array = Statevector(circuit).probabilities()
    return probabilities.reshape((2,) * circuit.num_qubits).transpose()


def parity(distribution: Array) -> float:
    """The expectation value of the product of Z on all qubits."""
    signs: Array = reduce(np.multiply.outer, [np.array([1.0, -1.0])] * distribution.ndim)
    return float((signs * distribution).sum())


@dataclass(frozen=True, slots=True)
class Problem:
    """A circuit and where to cut it."""

    name: str
    circuit: QuantumCircuit
    cuts: tuple[Cut, ...]


def problems(seed: int) -> list[Problem]:
    """Three chains of eight qubits, each cut in two ways into three fragments.

    The bonds of the Ising chain commute, and there are two usual ways to write them down: from one end to the other, as
    it is for the first cut, and the even ones before the odd ones, as it is for the second.

    Args:
        seed: Of the angles of the third.
    """
    bonds = list(range(QUBITS - 1))
    ghz, layered = _ghz(), _layered(seed)
    chains = {
        "GHZ state": (ghz, ghz),
        "Ising step": (_ising(bonds), _ising(bonds[::2] + bonds[1::2])),
        "layered ansatz": (layered, layered),
    }
    # a qubit is cut between its gates to its neighbors; in the GHZ state nothing stands before them
    return [
        Problem(
            f"{name}, cut on qubits {places}", circuit, tuple(Cut(qubit, 1 + (circuit is not ghz)) for qubit in places)
        )
        for name, circuits in chains.items()
        for circuit, places in zip(circuits, PLACES, strict=True)
    ]


def _ghz() -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS)
    circuit.h(0)
    for qubit in range(QUBITS - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def _ising(bonds: Sequence[int]) -> QuantumCircuit:
    """One second-order Trotter step of a quench of the transverse-field chain, with coupling 1, field 0.8, time 0.6.

    Args:
        bonds: In the order in which they are written down, each by its left qubit.
    """
    coupling, field, time = 1.0, 0.8, 0.6
    circuit = QuantumCircuit(QUBITS)
    circuit.rx(field * time, range(QUBITS))
    for qubit in bonds:
        circuit.rzz(2 * coupling * time, qubit, qubit + 1)
    circuit.rx(field * time, range(QUBITS))
    return circuit


def _layered(seed: int) -> QuantumCircuit:
    """Random rotations, a ladder of CNOT gates, random rotations: a hardware-efficient ansatz."""
    angle = random.Random(seed)  # noqa: S311 - nothing secret
    circuit = QuantumCircuit(QUBITS)
    for qubit in range(QUBITS):
        circuit.ry(angle.uniform(0, math.tau), qubit)
    for qubit in range(QUBITS - 1):
        circuit.cx(qubit, qubit + 1)
    for qubit in range(QUBITS):
        circuit.ry(angle.uniform(0, math.tau), qubit)
    return circuit
