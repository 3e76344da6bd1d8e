"""The canonical form of a circuit: what is compiled, what names it, and how its asker reads the outcome.

The invariant: equal fingerprints mean equal outcome distributions, over all qubits (`qis`) or over all clbits that are
read (`qasm3`). What is measured into which clbit is no part of them: the readout of each asker says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qiskit import QuantumCircuit

from qstore.circuits.fingerprint import fingerprint_of
from qstore.circuits.flat import Step, build, flatten
from qstore.circuits.idling import is_idling, without_idling
from qstore.errors import NoMeasurementError, NoQubitsError, UnboundParametersError, UnsupportedCircuitError
from qstore.job import Level, Readout

_READING = frozenset(("measure", "reset"))
_NO_GATES = frozenset(("barrier", "measure"))


@dataclass(frozen=True, slots=True)
class Canonical:
    """One circuit in canonical form.

    Attributes:
        steps: What to compile. For `qis` nothing is measured: IonQ reads every qubit out at the end.
        qubits: Qubits of the circuit.
        fingerprint: sha256 in hex; see `fingerprint`.
        readout: Which bit of a basis state the asker sees in which clbit.
        format: `qis` for a gate list; `qasm3` where a qubit is reset, or used after it was measured.
        width: Bits of a basis state: qubits for `qis`; for `qasm3` clbits that are read, by qubit, then by time.
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


class Registers(NamedTuple):
    """A circuit's classical registers.

    Attributes:
        clbits: How many clbits it has.
        groups: Of each register, in the order it was added, the indices of its clbits; loose clbits are a last one.
    """

    clbits: int
    groups: tuple[tuple[int, ...], ...]


def canonicalize(circuit: QuantumCircuit, level: Level = "commuting") -> Canonical:
    """Bring a circuit into canonical form. The circuit itself is left as it is.

    Delays are not executed: IonQ has none. Nor are barriers with nothing behind them; the others tell the compiler what
    to leave alone.

    Args:
        circuit: The circuit.
        level: How much another may differ and still share the fingerprint, see `qstore.circuits.normal_form`.

    Raises:
        NoQubitsError: There are no qubits.
        UnboundParametersError: There are free parameters.
        NoMeasurementError: Nothing is measured.
        UnsupportedCircuitError: It holds control flow, classical variables, or a gate without a definition.
        CircuitTooLargeError: It is composed of too many instructions.
    """
    _check(circuit)
    return canonical_of(flatten(circuit), circuit.num_qubits, registers_of(circuit), level)


def fingerprint(circuit: QuantumCircuit, level: Level = "commuting") -> str:
    """The name under which a circuit's results are known: sha256 in hex.

    Equal fingerprints mean equal outcome distributions. Names, labels, metadata, global phase and what is measured into
    which clbit are no part of it.

    Args:
        circuit: The circuit, control flow included, which IonQ does not run. What measures nothing is named, too.
        level: How much two circuits may differ and still be the same. `exact`: nothing but the order of gates that
            share no wire. `commuting`: also the order of gates that commute, whole periods of angles, and delays.
            `semantic`: also gates that merge or cancel, and barriers.

    Raises:
        NoQubitsError: There are no qubits.
        UnboundParametersError: There are free parameters.
        UnsupportedCircuitError: It holds classical variables, or a gate without a definition.
        CircuitTooLargeError: It is composed of too many instructions.
    """
    _check(circuit)
    steps = flatten(circuit, control_flow=True)
    qubits, clbits = circuit.num_qubits, circuit.num_clbits
    writers = {step.name for step in steps if step.clbits}
    if not writers <= {"measure"} or circuit.has_control_flow_op():
        return fingerprint_of(steps, qubits, clbits, "control flow", level)
    if not writers:
        return fingerprint_of(steps, qubits, 0, "qis", level)
    return canonical_of(steps, qubits, registers_of(circuit), level).fingerprint


def canonical_of(steps: Sequence[Step], qubits: int, registers: Registers, level: Level) -> Canonical:
    """The canonical form of a circuit that was flattened already.

    Args:
        steps: What happens in it.
        qubits: How many it has.
        registers: Its classical registers.
        level: As for `canonicalize`.

    Raises:
        NoMeasurementError: Nothing is measured.
    """
    begins = _reading_begins(steps)
    writers = {steps[index].clbits[0]: index for index in range(begins, len(steps)) if steps[index].clbits}
    if not writers:
        raise NoMeasurementError("The circuit measures nothing, so it has no counts: add circuit.measure_all().")
    named: Sequence[Step]
    if _is_read_at_the_end(steps[begins:]):
        form, width = "qis", qubits
        shown = {clbit: steps[index].qubits[0] for clbit, index in writers.items()}
        named = [*steps[:begins], *[step for step in steps[begins:] if step.name not in _READING]]
        executed = without_idling(named)
    else:
        form, width = "qasm3", len(writers)
        shown = _ranks(steps, writers)
        kept = set(writers.values())
        named = [
            Step("measure" if index in kept else "unread", step.qubits, (), ()) if step.clbits else step
            for index, step in enumerate(steps)
        ]
        relabeled = [step._replace(clbits=(shown[step.clbits[0]],)) if step.clbits else step for step in steps]
        executed = without_idling(relabeled)
    if level != "exact":
        named = executed if form == "qis" else without_idling(named)
    return Canonical(
        steps=tuple(executed),
        qubits=qubits,
        fingerprint=fingerprint_of(named, qubits, 0, form, level),
        readout=Readout(tuple([shown.get(clbit) for clbit in range(registers.clbits)]), registers.groups),
        format=form,
        width=width,
        gates=len(executed) - sum([step[0] in _NO_GATES for step in executed]),
    )


def _check(circuit: QuantumCircuit) -> None:
    if not circuit.num_qubits:
        raise NoQubitsError("The circuit has no qubits.")
    if circuit.num_parameters:
        names = ", ".join(sorted(parameter.name for parameter in circuit.parameters))
        raise UnboundParametersError(f"The circuit has free parameters: {names}. Bind them with assign_parameters().")
    if circuit.num_identifiers:
        raise UnsupportedCircuitError("The circuit has classical variables or stretches, which IonQ does not run.")


def _reading_begins(steps: Sequence[Step]) -> int:
    """The index of the first measurement or reset; mostly there are only measurements and barriers behind it."""
    tail = len(steps)
    while tail and steps[tail - 1].name in _NO_GATES:
        tail -= 1
    if _READING.isdisjoint([step[0] for step in steps[:tail]]):
        return tail
    return next(index for index, step in enumerate(steps) if step.name in _READING)


def _is_read_at_the_end(steps: Sequence[Step]) -> bool:
    """Whether reading every qubit once, when all is done, tells as much as the circuit's own measurements.

    A qubit is closed once it was measured or reset. Measuring it again, or resetting it and leaving it alone,
    changes nothing that is read.

    Args:
        steps: From the first measurement or reset on.
    """
    closed: set[int] = set()
    reset: set[int] = set()
    for name, qubits, _, _ in steps:
        if name == "measure":
            if not reset.isdisjoint(qubits):
                return False
            closed.update(qubits)
        elif name == "reset":
            closed.update(qubits)
            reset.update(qubits)
        elif not closed.isdisjoint(qubits) and not is_idling(name):
            return False
    return True


def _ranks(steps: Sequence[Step], writers: Mapping[int, int]) -> dict[int, int]:
    """Where each clbit's last measurement stands among all such, by qubit, then by time: by clbit."""
    order = sorted(writers, key=lambda clbit: (steps[writers[clbit]].qubits, writers[clbit]))
    return {clbit: rank for rank, clbit in enumerate(order)}


def registers_of(circuit: QuantumCircuit) -> Registers:
    """How the clbits of a circuit are grouped."""
    index_of = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    groups = [tuple([index_of[clbit] for clbit in register]) for register in circuit.cregs]
    registered = {index for group in groups for index in group}
    if len(registered) < circuit.num_clbits:
        groups.append(tuple([index for index in range(circuit.num_clbits) if index not in registered]))
    return Registers(circuit.num_clbits, tuple(groups))
