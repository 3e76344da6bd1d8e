"""A circuit taken apart into plain steps, standard gates on numbered qubits, and put together from them again.

Nothing that names itself is believed: a gate counts as standard only where Qiskit's own tables say so, and
everything else is taken apart by its definition. So steps that are equal do the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    CircuitInstruction,
    ControlFlowOp,
    Delay,
    Measure,
    ParameterExpression,
    Reset,
)
from qiskit.circuit.library import C4XGate, MCPhaseGate, MCXGate, get_standard_gate_name_mapping
from qiskit.transpiler.passes import HighLevelSynthesis

from qstore.circuits.border import refusing
from qstore.errors import CircuitTooLargeError, UnboundParametersError, UnsupportedCircuitError

MAX_INSTRUCTIONS = 1_000_000
"""The most instructions a circuit may have, counted in all the definitions it is composed of."""

_MULTI_CONTROLLED = {C4XGate: "mcx", MCXGate: "mcx", MCPhaseGate: "mcphase"}  # standard in all but Qiskit's tables
_STANDARD = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


class Step(NamedTuple):
    """One thing that happens.

    Attributes:
        name: A standard gate's as Qiskit maps them, `mcx`, `mcphase`, `measure`, `reset` or `barrier`.
        qubits: Indices, in the gate's order; sorted for a barrier.
        clbits: The index a measurement writes to, or none.
        angles: The gate's parameters, radians where it turns; finite, and never -0.0.
    """

    name: str
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    angles: tuple[float, ...]


def flatten(circuit: QuantumCircuit) -> list[Step]:
    """The steps of a circuit, in its own order.

    A delay is left out: it is no gate to IonQ, so that what runs there is the same without it. A reset of a
    qubit that nothing has happened to is left out too.

    Raises:
        UnsupportedCircuitError: It holds what no steps can express.
        UnboundParametersError: A definition inside it has free parameters.
        CircuitTooLargeError: It is composed of more instructions than anyone could want.
    """
    return _Flattening(circuit).steps


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
        case name:
            return _STANDARD[name](*step.angles)


class _Flattening:
    """The steps so far, the global phase beside them, and what is left of the patience."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.steps: list[Step] = []
        self.phase = 0.0  # radians; means nothing until something controls it
        self._fresh = set(range(circuit.num_qubits))
        self._patience = MAX_INSTRUCTIONS
        with refusing(UnsupportedCircuitError, "The circuit cannot be taken apart into gates"):
            self._add(circuit, range(circuit.num_qubits), range(circuit.num_clbits))

    def _add(self, circuit: QuantumCircuit, qubit_indices: Sequence[int], clbit_indices: Sequence[int]) -> None:
        """Append a circuit that stands on the given bits."""
        instructions = circuit.data
        self._patience -= len(instructions)
        if self._patience < 0:
            raise CircuitTooLargeError(f"The circuit is composed of more than {MAX_INSTRUCTIONS:,} instructions.")
        self.phase += float(circuit.global_phase)
        index_of = dict(zip(circuit.qubits, qubit_indices, strict=True))
        clbit_index_of = dict(zip(circuit.clbits, clbit_indices, strict=True))
        for instruction in instructions:
            qubits = tuple([index_of[qubit] for qubit in instruction.qubits])
            if instruction.is_standard_gate():
                if qubits:
                    self._add_gate(instruction.name, qubits, instruction.params)
                else:
                    self.phase += sum(_angles(instruction.name, instruction.params))
                continue
            clbits = tuple([clbit_index_of[clbit] for clbit in instruction.clbits])
            self._add_operation(instruction.operation, qubits, clbits)

    def _add_operation(self, operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...]) -> None:
        match operation:
            case Measure():
                self._fresh.difference_update(qubits)
                self.steps.append(Step("measure", qubits, clbits, ()))
            case Barrier():
                if qubits:
                    self.steps.append(Step("barrier", tuple(sorted(qubits)), (), ()))
            case Reset():
                if self._fresh.isdisjoint(qubits):
                    self.steps.append(Step("reset", qubits, (), ()))
            case Delay():
                pass
            case ControlFlowOp():
                raise UnsupportedCircuitError(
                    f"IonQ runs no control flow, and the circuit has {operation.name!r}: unroll it, or measure last."
                )
            case _:
                self._add_composite(operation, qubits, clbits)

    def _add_gate(self, name: str, qubits: tuple[int, ...], params: Sequence[Any]) -> None:
        self._fresh.difference_update(qubits)
        self.steps.append(Step(name, qubits, (), _angles(name, params) if params else ()))

    def _add_composite(self, operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...]) -> None:
        kind = getattr(operation, "base_class", None)
        if kind in _MULTI_CONTROLLED and operation.ctrl_state == 2**operation.num_ctrl_qubits - 1:
            self._add_gate(_MULTI_CONTROLLED[kind], qubits, operation.params)
        else:
            self._add(_definition(operation), qubits, clbits)


def _angles(name: str, params: Sequence[Any]) -> tuple[float, ...]:
    try:
        angles = tuple([float(param) + 0.0 for param in params])  # + 0.0 makes 0.0 of -0.0
    except (TypeError, ValueError) as error:
        free = sorted(str(p) for param in params if isinstance(param, ParameterExpression) for p in param.parameters)
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
    circuit = build(flattening.steps, operation.num_qubits, 0)
    circuit.global_phase = flattening.phase
    return circuit.to_gate()
