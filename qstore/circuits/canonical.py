"""The canonical form of a circuit: what is compiled, what names it, and how its asker reads the outcome.

The invariant: equal fingerprints mean equal outcome distributions, over all qubits (`qis`) or over all clbits that are
read (`qasm3`). What is measured into which clbit is no part of them: the readout of each asker says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from qiskit import QuantumCircuit

from qstore.circuits.fingerprint import fingerprint_of
from qstore.circuits.flat import Line, Step, build, index_of, listing
from qstore.circuits.idling import is_idling, without_idling
from qstore.errors import NoMeasurementError, NoQubitsError, UnboundParametersError, UnsupportedCircuitError
from qstore.job import Level, Readout

_READING = frozenset(("measure", "reset"))
_NO_GATES = frozenset(("barrier", "measure"))


@dataclass(frozen=True, slots=True)
class Canonical:
    """One circuit in canonical form.

    Attributes:
        lines: What to compile. For `qis` nothing is measured: IonQ reads every qubit out at the end.
        qubits: Qubits of the circuit.
        fingerprint: sha256 in hex; see `fingerprint`.
        readout: Which bit of a basis state the asker sees in which clbit.
        format: `qis` for a gate list; `qasm3` where a qubit is reset, or used after it was measured.
        width: Bits of a basis state: qubits for `qis`; for `qasm3` clbits that are read, by qubit, then by time.
        gates: Gates and resets.
    """

    lines: Sequence[Line]
    qubits: int
    fingerprint: str
    readout: Readout
    format: str
    width: int
    gates: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """The lines as steps, made anew each time: where the result is known already, nobody wants them."""
        return tuple(map(Step._make, self.lines))

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
    return canonical_of(listing(circuit), circuit.num_qubits, registers_of(circuit), level)


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
    lines = listing(circuit, control_flow=True)
    qubits, clbits = circuit.num_qubits, circuit.num_clbits
    writers = {name for name, _, into, _ in lines if into}
    if not writers <= {"measure"} or circuit.has_control_flow_op():
        return fingerprint_of(lines, qubits, clbits, "control flow", level)
    if not writers:
        return fingerprint_of(lines, qubits, 0, "qis", level)
    return canonical_of(lines, qubits, registers_of(circuit), level).fingerprint


def canonical_of(lines: Sequence[Line], qubits: int, registers: Registers, level: Level) -> Canonical:
    """The canonical form of a circuit that was taken apart already.

    Args:
        lines: What happens in it.
        qubits: How many it has.
        registers: Its classical registers.
        level: As for `canonicalize`.

    Raises:
        NoMeasurementError: Nothing is measured.
    """
    begins = _reading_begins(lines)
    writers = {into[0]: index for index, (_, _, into, _) in enumerate(lines[begins:], begins) if into}
    if not writers:
        raise NoMeasurementError("The circuit measures nothing, so it has no counts: add circuit.measure_all().")
    named: Sequence[Line]
    if _is_read_at_the_end(lines[begins:]):
        form, width = "qis", qubits
        shown = {clbit: lines[index][1][0] for clbit, index in writers.items()}
        named = [*lines[:begins], *[line for line in lines[begins:] if line[0] not in _READING]]
        executed = without_idling(named)
    else:
        form, width = "qasm3", len(writers)
        shown = _ranks(lines, writers)
        kept = set(writers.values())
        named = [
            ("measure" if index in kept else "unread", on, (), ()) if into else (name, on, into, angles)
            for index, (name, on, into, angles) in enumerate(lines)
        ]
        executed = without_idling(
            [(name, on, (shown[into[0]],) if into else (), angles) for name, on, into, angles in lines]
        )
    if level != "exact":
        named = executed if form == "qis" else without_idling(named)
    return Canonical(
        lines=tuple(executed),
        qubits=qubits,
        fingerprint=fingerprint_of(named, qubits, 0, form, level),
        readout=Readout(tuple([shown.get(clbit) for clbit in range(registers.clbits)]), registers.groups),
        format=form,
        width=width,
        gates=len(executed) - sum(map([line[0] for line in executed].count, _NO_GATES)),
    )


def _check(circuit: QuantumCircuit) -> None:
    if not circuit.num_qubits:
        raise NoQubitsError("The circuit has no qubits.")
    if circuit.num_parameters:
        names = ", ".join(sorted(parameter.name for parameter in circuit.parameters))
        raise UnboundParametersError(f"The circuit has free parameters: {names}. Bind them with assign_parameters().")
    if circuit.num_identifiers:
        raise UnsupportedCircuitError("The circuit has classical variables or stretches, which IonQ does not run.")


def _reading_begins(lines: Sequence[Line]) -> int:
    """The index of the first measurement or reset; mostly there are only measurements and barriers behind it."""
    tail = len(lines)
    while tail and lines[tail - 1][0] in _NO_GATES:
        tail -= 1
    names = [line[0] for line in lines[:tail]]
    return min([names.index(name) for name in _READING if name in names], default=tail)


def _is_read_at_the_end(lines: Sequence[Line]) -> bool:
    """Whether reading every qubit once, when all is done, tells as much as the circuit's own measurements.

    A qubit is closed once it was measured or reset. Measuring it again, or resetting it and leaving it alone,
    changes nothing that is read.

    Args:
        lines: From the first measurement or reset on.
    """
    if _NO_GATES.issuperset([line[0] for line in lines]):
        return True
    closed: set[int] = set()
    reset: set[int] = set()
    for name, qubits, _, _ in lines:
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


def _ranks(lines: Sequence[Line], writers: Mapping[int, int]) -> dict[int, int]:
    """Where each clbit's last measurement stands among all such, by qubit, then by time: by clbit."""
    order = sorted(writers, key=lambda clbit: (lines[writers[clbit]][1], writers[clbit]))
    return {clbit: rank for rank, clbit in enumerate(order)}


def registers_of(circuit: QuantumCircuit) -> Registers:
    """How the clbits of a circuit are grouped."""
    index = index_of(circuit.clbits, range(circuit.num_clbits))
    groups = [tuple(map(index, register)) for register in circuit.cregs]
    registered = set(chain(*groups))
    if len(registered) < circuit.num_clbits:
        groups.append(tuple([clbit for clbit in range(circuit.num_clbits) if clbit not in registered]))
    return Registers(circuit.num_clbits, tuple(groups))
