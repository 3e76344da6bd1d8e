"""A circuit taken apart into plain steps, standard gates on numbered qubits, and put together from them again.

Nothing that names itself is believed: a gate counts as standard only where Qiskit's own tables say so, and
everything else is taken apart by its definition. So steps that are equal do the same.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    Bit,
    CircuitInstruction,
    Delay,
    Measure,
    ParameterExpression,
    Reset,
)
from qiskit.circuit.library import C4XGate, MCPhaseGate, MCXGate, UnitaryGate, get_standard_gate_name_mapping
from qiskit.transpiler.passes import HighLevelSynthesis

from qstore.circuits.border import refusing
from qstore.circuits.control_flow import CONTROL_FLOW, LEAPS, Places, clbits_of, unfold
from qstore.errors import CircuitTooLargeError, UnboundParametersError, UnsupportedCircuitError

MAX_INSTRUCTIONS = 1_000_000
"""The most instructions a circuit may have, counted in all the definitions it is composed of."""

_MULTI_CONTROLLED = {C4XGate: "mcx", MCXGate: "mcx", MCPhaseGate: "mcphase"}  # standard in all but Qiskit's tables
_MEASURE = Measure()  # the one that all circuits share, unless somebody put a label on it
_STANDARD = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


Line = tuple[str, tuple[int, ...], tuple[int, ...], tuple[float, ...]]
"""A `Step` before anybody asks for its parts by name, which takes a third of the time: one is made for every gate."""


class Step(NamedTuple):
    """One thing that happens.

    Attributes:
        name: A standard gate's as Qiskit maps them, `mcx`, `mcphase`, `unitary`, `measure`, `reset` or `barrier`;
            `delay` and its unit; what control flow says, where it is asked for.
        qubits: Indices, in the gate's order; sorted for a barrier and for control flow.
        clbits: The index a measurement writes to, or none; for control flow all it may read or write, sorted.
        angles: The gate's parameters, radians where it turns; finite, and never -0.0. Of `unitary` the entries of its
            matrix, row by row, real and imaginary part in turn; of a delay how long it is.
    """

    name: str
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    angles: tuple[float, ...]


def flatten(circuit: QuantumCircuit, *, symbolic: bool = False) -> list[Step]:
    """The steps of a circuit, in its own order, as `listing` has them."""
    return [*map(Step._make, listing(circuit, symbolic=symbolic))]


def listing(circuit: QuantumCircuit, *, symbolic: bool = False, control_flow: bool = False) -> list[Line]:
    """A circuit's steps, in its own order, as lines.

    A reset of a qubit that nothing has happened to is left out.

    Args:
        circuit: The circuit.
        symbolic: Whether angles may have free parameters: those stay expressions, in place of numbers.
        control_flow: Whether there may be control flow. Its blocks then stand between steps that say what it is, on
            all the wires they share.

    Raises:
        UnsupportedCircuitError: It holds what no steps can express.
        UnboundParametersError: There are free parameters.
        CircuitTooLargeError: It is composed of more instructions than anyone could want.
    """
    return _Flattening(circuit, symbolic=symbolic, control_flow=control_flow).lines


def index_of(bits: Sequence[Bit], indices: Sequence[int]) -> Callable[[Any], int]:
    """Tells where each of some bits stands.

    Most know by themselves and say so sooner than it is looked up, and every gate has one.

    Args:
        bits: Of a circuit, in its order; nothing else may be asked for.
        indices: Where they stand.
    """
    if [getattr(bit, "_index", None) for bit in bits] == [*indices]:
        return attrgetter("_index")
    return dict(zip(bits, indices, strict=True)).__getitem__


def build(steps: Iterable[Step], qubits: int, clbits: int) -> QuantumCircuit:
    """The steps as a circuit, on one register `q` and, where there are clbits, one register `c`.

    A caller's names could be any, in any script; none is left.
    """
    circuit = QuantumCircuit(QuantumRegister(qubits, "q"), name="circuit")
    if clbits:
        circuit.add_register(ClassicalRegister(clbits, "c"))
    on, into = circuit.qubits, circuit.clbits
    for step in steps:
        instruction = CircuitInstruction(
            _gate(step), [on[qubit] for qubit in step.qubits], [into[clbit] for clbit in step.clbits]
        )
        circuit._append(instruction)  # noqa: SLF001  Qiskit's documented fast path for what is known to fit
    return circuit


def _gate(step: Step) -> Any:
    match step.name:
        case "barrier":
            return Barrier(len(step.qubits))
        case "mcx":
            return MCXGate(len(step.qubits) - 1)
        case "mcphase":
            return MCPhaseGate(*step.angles, len(step.qubits) - 1)
        case "unitary":
            return UnitaryGate(np.array(step.angles).view(complex).reshape(2 * (2 ** len(step.qubits),)))
        case name:
            return _STANDARD[name](*step.angles)


class _Flattening:
    """The lines so far, the global phase beside them, and what is left of the patience."""

    def __init__(self, circuit: QuantumCircuit, *, symbolic: bool = False, control_flow: bool = False) -> None:
        self.lines: list[Line] = []
        self.phase = 0.0  # radians; means nothing until something controls it
        self._symbolic = symbolic
        self._control_flow = control_flow
        self._everywhere = tuple(range(circuit.num_qubits)), tuple(range(circuit.num_clbits))
        self._ones = [(qubit,) for qubit in range(circuit.num_qubits)]
        self._fresh = set(range(circuit.num_qubits))
        self._patience = MAX_INSTRUCTIONS
        with refusing(UnsupportedCircuitError, "The circuit cannot be taken apart into gates"):
            self._add(circuit, range(circuit.num_qubits), range(circuit.num_clbits))

    def _add(self, circuit: QuantumCircuit, qubit_indices: Sequence[int], clbit_indices: Sequence[int]) -> None:
        """Append a circuit that stands on the given bits."""
        instructions = circuit.data[:]
        self._spend(len(instructions))
        if not (self._symbolic and isinstance(circuit.global_phase, ParameterExpression)):
            self.phase += float(circuit.global_phase)
        index, clbit_index = index_of(circuit.qubits, qubit_indices), index_of(circuit.clbits, clbit_indices)
        places = dict(zip(circuit.clbits, clbit_indices, strict=True)) if circuit.has_control_flow_op() else {}
        append, fresh, angles_of, ones = self.lines.append, self._fresh, self._angles, self._ones
        isfinite = math.isfinite
        for instruction in instructions:
            bits = instruction.qubits
            qubits = ones[index(bits[0])] if len(bits) == 1 else tuple(map(index, bits))
            if not instruction.is_standard_gate():
                clbits = tuple(map(clbit_index, instruction.clbits))
                if instruction.operation is _MEASURE:
                    fresh.difference_update(qubits)
                    append(("measure", qubits, clbits, ()))
                else:
                    self._add_operation(instruction.operation, qubits, clbits, places)
                continue
            name, params = instruction.name, instruction.params
            if not params:
                angles: tuple[float, ...] = ()
            elif len(params) == 1 and type(angle := params[0]) is float and isfinite(angle):
                angles = (angle + 0.0,)  # makes 0.0 of -0.0
            else:
                angles = angles_of(name, params)
            if fresh:
                fresh.difference_update(qubits)
            if qubits:
                append((name, qubits, (), angles))
            else:
                self.phase += sum(angles)

    def _add_operation(self, operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...], places: Places) -> None:
        match operation:
            case Measure():
                self._fresh.difference_update(qubits)
                self.lines.append(("measure", qubits, clbits, ()))
            case Barrier():
                if qubits:
                    self.lines.append(("barrier", tuple(sorted(qubits)), (), ()))
            case Reset():
                if self._fresh.isdisjoint(qubits):
                    self.lines.append(("reset", qubits, (), ()))
            case Delay():
                name = f"delay {operation.unit}"
                self.lines.append((name, qubits, (), self._angles(name, [operation.duration])))
            case UnitaryGate():
                self._add_unitary(operation.to_matrix().astype(complex), qubits)
            case _ if isinstance(operation, CONTROL_FLOW):
                if not self._control_flow:
                    raise UnsupportedCircuitError(
                        f"IonQ runs no control flow, and the circuit has {operation.name!r}: unroll it, or measure "
                        "last."
                    )
                self._add_control_flow(operation, qubits, clbits, places)
            case _:
                self._add_composite(operation, qubits, clbits)

    def _add_control_flow(
        self, operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...], places: Places
    ) -> None:
        """Append the blocks between steps that nothing on their wires can pass."""
        if isinstance(operation, LEAPS):
            on, into = self._everywhere  # what comes behind in the loop is left out, on whatever wires
        else:
            on = tuple(sorted(qubits))
            into = tuple(sorted({*clbits, *[places[clbit] for clbit in clbits_of(operation)]}))
        if not on and not into:
            return
        self._fresh.difference_update(qubits)
        for says, block in unfold(operation, places):
            self.lines.append((says, on, into, ()))
            if block is not None:
                self._add(block, qubits, clbits)
        self.lines.append(("end", on, into, ()))

    def _add_gate(self, name: str, qubits: tuple[int, ...], params: Sequence[Any]) -> None:
        self._fresh.difference_update(qubits)
        self.lines.append((name, qubits, (), self._angles(name, params) if params else ()))

    def _add_unitary(self, matrix: Any, qubits: tuple[int, ...]) -> None:
        if not qubits:
            self.phase += cmath.phase(matrix[0, 0])
            return
        self._spend(matrix.size)
        self._add_gate("unitary", qubits, matrix.ravel().view(float).tolist())

    def _spend(self, instructions: int) -> None:
        self._patience -= instructions
        if self._patience < 0:
            raise CircuitTooLargeError(f"The circuit is composed of more than {MAX_INSTRUCTIONS:,} instructions.")

    def _add_composite(self, operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...]) -> None:
        kind = getattr(operation, "base_class", None)
        if kind in _MULTI_CONTROLLED and operation.ctrl_state == 2**operation.num_ctrl_qubits - 1:
            self._add_gate(_MULTI_CONTROLLED[kind], qubits, operation.params)
        else:
            self._add(_definition(operation), qubits, clbits)

    def _angles(self, name: str, params: Sequence[Any]) -> tuple[float, ...]:
        try:
            angles = tuple([float(param) + 0.0 for param in params])  # makes 0.0 of -0.0
        except (TypeError, ValueError) as error:
            expressions = [param for param in params if isinstance(param, ParameterExpression)]
            free = sorted(str(parameter) for expression in expressions for parameter in expression.parameters)
            if free and self._symbolic:
                return tuple(params)
            if free:
                raise UnboundParametersError(f"Gate {name!r} has free parameters: {', '.join(free)}.") from error
            raise UnsupportedCircuitError(f"Gate {name!r} has a parameter that is no real number: {params}.") from error
        if not all(map(math.isfinite, angles)):
            raise UnsupportedCircuitError(f"Gate {name!r} has a parameter that is not finite: {angles}.")
        return angles


def _definition(operation: Any) -> QuantumCircuit:
    """What an operation is composed of, by its own account; else as Qiskit would synthesize it."""
    definition = getattr(operation, "definition", None)
    if definition is not None:
        return definition
    if isinstance(operation, AnnotatedOperation):
        # Whoever controls a gate by its name must not find a false one.
        operation = AnnotatedOperation(_plain(operation.base_op), operation.modifiers)
    with refusing(UnsupportedCircuitError, f"{operation.name!r} is not defined in terms of gates"):
        definition = HighLevelSynthesis(basis_gates=list(_STANDARD))(_alone(operation))
    if operation.name in definition.count_ops():  # a name alone, which Qiskit believed
        raise UnsupportedCircuitError(f"{operation.name!r} is not defined in terms of gates.")
    return definition


def _alone(operation: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    circuit.append(operation, circuit.qubits, circuit.clbits)
    return circuit


def _plain(operation: Any) -> Any:
    """The same as one gate, composed of standard gates only."""
    flattening = _Flattening(_alone(operation))
    circuit = build(map(Step._make, flattening.lines), operation.num_qubits, 0)
    circuit.global_phase = flattening.phase
    return circuit.to_gate()
