"""What a control flow operation says beside the gates in its blocks, as text.

The invariant: operations that share their texts and their blocks do the same. Clbits are named by their place in the
circuit, classical registers by those of their clbits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import (
    BoxOp,
    BreakLoopOp,
    Clbit,
    ContinueLoopOp,
    ControlFlowOp,
    ForLoopOp,
    IfElseOp,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.classical import expr

from qstore.errors import UnsupportedCircuitError

LEAPS = (BreakLoopOp, ContinueLoopOp)
"""The operations that leave the block they stand in."""

CONTROL_FLOW = (ControlFlowOp, *LEAPS)
"""The operations whose blocks may run or not."""

Places = Mapping[Clbit, int]
"""Where the clbits of the circuit are that the operation stands in."""


def unfold(operation: Any, places: Places) -> Iterator[tuple[str, QuantumCircuit | None]]:
    """What the operation says before each of its blocks.

    A loop over a parameter gives a block for each value.

    Args:
        operation: One of `CONTROL_FLOW`.
        places: Of the clbits.

    Yields:
        A text and the block behind it; None where there is none.

    Raises:
        UnsupportedCircuitError: It depends on classical variables, or is of a kind this does not know.
    """
    match operation:
        case IfElseOp():
            for word, block in zip(("if", "else"), operation.params, strict=True):
                yield f"{word} {_condition(operation.condition, places)}", block
        case WhileLoopOp():
            yield f"while {_condition(operation.condition, places)}", operation.params[0]
        case ForLoopOp():
            yield from _rounds(*operation.params)
        case SwitchCaseOp():
            for labels, block in operation.cases_specifier():
                yield f"switch {_target(operation.target, places)} {list(map(_label, labels))}", block
        case BoxOp():
            yield f"box {operation.duration} {operation.unit}", operation.params[0]
        case BreakLoopOp() | ContinueLoopOp():
            yield operation.name, None
        case _:
            raise UnsupportedCircuitError(f"Control flow of the kind {operation.name!r} is not known here.")


def _rounds(values: Any, parameter: Any, block: QuantumCircuit) -> Iterator[tuple[str, QuantumCircuit]]:
    if parameter is None or parameter not in block.parameters:
        yield f"for {len(values)}", block
        return
    for value in values:
        yield "for each", block.assign_parameters({parameter: value})


def clbits_of(operation: Any) -> list[Clbit]:
    """The clbits the operation reads by itself; its blocks may read or write others."""
    match operation:
        case IfElseOp() | WhileLoopOp():
            read = operation.condition
        case SwitchCaseOp():
            read = operation.target
        case _:
            return []
    if isinstance(read, expr.Expr):
        return [clbit for var in expr.iter_vars(read) for clbit in _bits(var.var)]
    return _bits(read[0] if isinstance(read, tuple) else read)


def _bits(target: Any) -> list[Clbit]:
    return [target] if isinstance(target, Clbit) else list(target)


def _condition(condition: Any, places: Places) -> str:
    if isinstance(condition, expr.Expr):
        return _expression(condition, places)
    target, value = condition
    return f"{_target(target, places)} == {int(value)}"


def _target(target: Any, places: Places) -> str:
    if isinstance(target, expr.Expr):
        return _expression(target, places)
    if isinstance(target, Clbit):
        return f"bit {places[target]}"
    try:
        return f"bits {[places[clbit] for clbit in target]}"
    except TypeError as error:
        raise UnsupportedCircuitError("The circuit has classical variables, which IonQ does not run.") from error


def _label(label: Any) -> str:
    return str(int(label)) if isinstance(label, int) else "default"


def _expression(node: expr.Expr, places: Places) -> str:
    match node:
        case expr.Value():
            return f"({node.type} {node.value!r})"
        case expr.Var():
            return f"({_target(node.var, places)})"
        case expr.Cast():
            return f"({node.type} {_expression(node.operand, places)})"
        case expr.Unary():
            return f"({node.op.name} {_expression(node.operand, places)})"
        case expr.Binary():
            return f"({node.op.name} {_expression(node.left, places)} {_expression(node.right, places)})"
        case expr.Index():
            return f"({_expression(node.target, places)} at {_expression(node.index, places)})"
        case _:
            raise UnsupportedCircuitError(f"Classical expressions such as {node} are not known here.")
