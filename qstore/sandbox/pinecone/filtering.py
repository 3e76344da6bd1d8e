"""Filters over metadata, as the service has them: MongoDB's operators, each strict about types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qstore.sandbox.pinecone.record import Metadata
from qstore.sandbox.pinecone.refusal import Refusal

Test = Callable[[Metadata], bool]

_MOST_VALUES = 10_000  # in one $in or $nin


def read_filter(found: Any) -> Test:
    """What decides whether metadata passes a filter; an empty filter lets everything pass.

    Raises:
        Refusal: It is no filter.
    """
    if not isinstance(found, dict):
        raise Refusal(400, "filter: not an object")
    tests = [_clause(name, wanted) for name, wanted in found.items()]
    return lambda metadata: all(test(metadata) for test in tests)


def _clause(name: str, wanted: Any) -> Test:
    if name in {"$and", "$or"}:
        if not isinstance(wanted, list) or not wanted:
            raise Refusal(400, f"{name} takes a list of at least one filter")
        tests = [read_filter(each) for each in wanted]
        quantifier = all if name == "$and" else any
        return lambda metadata: quantifier(test(metadata) for test in tests)
    if name.startswith("$"):
        raise Refusal(400, f"{name} is not a valid operator")
    if not isinstance(wanted, dict):
        return _operation(name, "$eq", wanted)
    operations = [_operation(name, operator, operand) for operator, operand in wanted.items()]
    return lambda metadata: all(operation(metadata) for operation in operations)


def _operation(name: str, operator: str, operand: Any) -> Test:
    if operator in {"$in", "$nin"}:
        if not isinstance(operand, list) or len(operand) > _MOST_VALUES:
            raise Refusal(400, f"{operator} takes a list of at most {_MOST_VALUES} values")
        keys = {_key(each) for each in operand}
        return lambda metadata: (not keys.isdisjoint(_keys(metadata.get(name)))) is (operator == "$in")
    if operator in {"$eq", "$ne"}:
        key = _key(operand)
        return lambda metadata: (key in _keys(metadata.get(name))) is (operator == "$eq")
    if operator == "$exists":
        return lambda metadata: (name in metadata) is bool(operand)
    raise Refusal(400, f"{operator} is not a valid operator")


def _key(value: Any) -> tuple[type, Any]:
    """A value such that those of different types are never equal, but all numbers are doubles."""
    if isinstance(value, str | bool):
        return type(value), value
    if isinstance(value, int | float):
        return float, float(value)
    raise Refusal(400, "filter: a value is a string, a number or a boolean")


def _keys(value: Any) -> set[tuple[type, Any]]:
    if value is None:
        return set()
    return {_key(each) for each in value} if isinstance(value, list) else {_key(value)}
