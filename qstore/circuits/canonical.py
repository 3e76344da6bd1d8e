"""The canonical form of a circuit: what is compiled, what names it, and how its asker reads the outcome.

The invariant: equal fingerprints mean equal outcome distributions, over all qubits (`qis`) or over all clbits
(`qasm3`). Two circuits that differ only in names, labels, metadata, global phase, the order in which independent
gates were appended, or (`qis`) in what they measure into which clbit have the same fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from qiskit import QuantumCircuit

from qstore.circuits.flat import Step, build, flatten
from qstore.errors import NoMeasurementError, NoQubitsError, UnboundParametersError, UnsupportedCircuitError
from qstore.job import Readout

VERSION = "qstore-fingerprint-1"
"""Changes whenever the same circuit would get another fingerprint."""


@dataclass(frozen=True, slots=True)
class Canonical:
    """One circuit in canonical form.

    Attributes:
        steps: What to compile. For `qis` nothing is measured: IonQ reads every qubit out at the end.
        qubits: Qubits of the circuit.
        fingerprint: sha256 in hex.
        readout: Which bit of a basis state the asker sees in which clbit.
        format: `qis` for a gate list; `qasm3` where a qubit is reset, or used after it was measured.
        width: Bits of a basis state: qubits for `qis`, clbits for `qasm3`.
        gates: Gates and resets.
    """

    steps: tuple[Step, ...]
    qubits: int
    fingerprint: str
    readout: Readout
    format: str
    width: int
    gates: int

    def build(self) -> QuantumCircuit:
        """The steps as a circuit with one register `q` and, for `qasm3`, one register `c`."""
        return build(self.steps, self.qubits, self.width if self.format == "qasm3" else 0)


def canonicalize(circuit: QuantumCircuit) -> Canonical:
    """Bring a circuit into canonical form. The circuit itself is left as it is.

    Barriers with nothing behind them are dropped; the others count, since they tell the compiler what to leave
    alone. So are delays: IonQ has none.

    Raises:
        NoQubitsError: There are no qubits.
        UnboundParametersError: There are free parameters.
        NoMeasurementError: Nothing is measured.
        UnsupportedCircuitError: It holds control flow, classical variables, or a gate without a definition.
        CircuitTooLargeError: It is composed of too many instructions.
    """
    _check(circuit)
    steps = flatten(circuit)
    qubits, clbits = circuit.num_qubits, circuit.num_clbits
    written = {step.clbits[0]: step.qubits[0] for step in steps if step.name == "measure"}
    if not written:
        raise NoMeasurementError("The circuit measures nothing, so it has no counts: add circuit.measure_all().")
    if _is_read_at_the_end(steps):
        form, width, clbits = "qis", qubits, 0
        steps = [step for step in steps if step.name not in {"measure", "reset"}]
    else:
        form, width = "qasm3", clbits
        written = {clbit: clbit for clbit in written}
    steps = _without_idle_barriers(steps)
    return Canonical(
        steps=tuple(steps),
        qubits=qubits,
        fingerprint=_fingerprint(steps, form, qubits, clbits),
        readout=_readout(circuit, written),
        format=form,
        width=width,
        gates=sum(step.name not in {"barrier", "measure"} for step in steps),
    )


def _check(circuit: QuantumCircuit) -> None:
    if not circuit.num_qubits:
        raise NoQubitsError("The circuit has no qubits.")
    if circuit.num_parameters:
        names = ", ".join(sorted(parameter.name for parameter in circuit.parameters))
        raise UnboundParametersError(f"The circuit has free parameters: {names}. Bind them with assign_parameters().")
    if circuit.num_identifiers:
        raise UnsupportedCircuitError("The circuit has classical variables or stretches, which IonQ does not run.")


def _is_read_at_the_end(steps: Iterable[Step]) -> bool:
    """Whether reading every qubit once, when all is done, tells as much as the circuit's own measurements.

    A qubit is closed once it was measured or reset. Measuring it again, or resetting it and leaving it alone,
    changes nothing that is read.
    """
    closed: set[int] = set()
    reset: set[int] = set()
    for step in steps:
        if step.name == "measure":
            if not reset.isdisjoint(step.qubits):
                return False
            closed.update(step.qubits)
        elif step.name == "reset":
            closed.update(step.qubits)
            reset.update(step.qubits)
        elif step.name != "barrier" and not closed.isdisjoint(step.qubits):
            return False
    return True


def _without_idle_barriers(steps: list[Step]) -> list[Step]:
    """The steps, less the barriers that nothing on any of their qubits comes behind."""
    if not any(step.name == "barrier" for step in steps):
        return steps
    kept: list[Step] = []
    alive: set[int] = set()
    for step in reversed(steps):
        if step.name != "barrier" or not alive.isdisjoint(step.qubits):
            kept.append(step)
            alive.update(step.qubits)
    kept.reverse()
    return kept


def _fingerprint(steps: Iterable[Step], form: str, qubits: int, clbits: int) -> str:
    """Hash what happens on which wire after what, and nothing else.

    Every step stands on the earliest level at which all its wires are free. Level and wires order the steps
    fully, since two of one level share no wire; and the levels give back the order along every wire.
    """
    free = [0] * (qubits + clbits)  # by wire: the first level not yet taken
    records = []
    for name, on_qubits, on_clbits, angles in steps:
        wires = (*on_qubits, *[qubits + clbit for clbit in on_clbits]) if on_clbits else on_qubits
        level = max([free[wire] for wire in wires])
        for wire in wires:
            free[wire] = level + 1
        records.append((level, wires, name, angles))
    records.sort()
    # repr() of tuples of integers, names and finite floats is exact, and no two of them share one.
    return hashlib.sha256(repr((VERSION, form, qubits, clbits, records)).encode()).hexdigest()


def _readout(circuit: QuantumCircuit, written: dict[int, int]) -> Readout:
    index_of = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    registers = [tuple([index_of[clbit] for clbit in register]) for register in circuit.cregs]
    registered = {index for register in registers for index in register}
    if len(registered) < circuit.num_clbits:
        registers.append(tuple([index for index in range(circuit.num_clbits) if index not in registered]))
    return Readout(tuple([written.get(index) for index in range(circuit.num_clbits)]), tuple(registers))
