"""Compiled circuits as vectors of 256 components, so that near in angle is alike in structure.

Invariant: a vector depends on nothing but which gates follow each other on qubits: not on which qubit is which, nor on
the order in which gates are listed that share none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.circuits.codec import decode
from qstore.circuits.flat import Step, flatten
from qstore.circuits.wire import write
from workers.vectors.sketch import DIMENSION, Keys, count_sketch, mix, unit
from workers.vectors.store import Vector

ROUNDS = 2
"""How many gates far a feature sees."""

_READING = ("measure", "reset")
_EIGHTH = math.pi / 4  # radians
_CLOSE = 1e-6  # eighths of a turn: what was computed is hardly ever quite the fraction of pi that it was meant to be


class _Gate(NamedTuple):
    """A gate, wherever it stands.

    Attributes:
        label: What it does.
        qubits: Indices.
        roles: On each of them, 1 where it is a control and could not as well be a target, else 0.
    """

    label: str
    qubits: tuple[int, ...]
    roles: tuple[int, ...]


class _Graph(NamedTuple):
    """Gates, each joined with the next one on each of its qubits.

    Attributes:
        labels: Of each gate.
        earlier: Of each edge, the index of the gate it comes from.
        later: Of the gate it leads to.
        kinds: Which roles it joins.
    """

    labels: Keys
    earlier: NDArray[np.intp]
    later: NDArray[np.intp]
    kinds: Keys


def embed_structure(wire: bytes, format: str) -> Vector:  # noqa: A002 - the field's word
    """A circuit as a unit vector, by what stands next to what in it.

    What is counted are the subtrees of the graph of its gates: gates by themselves, with their neighbors, and with the
    neighbors of those (Shervashidze, Schweitzer, van Leeuwen, Mehlhorn, Borgwardt, "Weisfeiler-Lehman graph kernels",
    JMLR 12, 2011). Roots of the counts, so that a gate that stands everywhere does not hide the others, are folded into
    256 components by `count_sketch`. It takes time linear in gates.

    Args:
        wire: The circuit as IonQ reads it.
        format: `qis` or `qasm3`, see `qstore.job.Run`.

    Raises:
        InvalidCircuitError: The wire is no circuit.
    """
    content = json.loads(wire)
    graph = _graph(map(_gate, content) if format == "qis" else _gates_of(flatten(decode(content))))
    labels, total = graph.labels, np.zeros(DIMENSION)
    for _ in range(ROUNDS + 1):
        total += count_sketch(*_counted(labels))
        labels = _relabeled(labels, graph)
    return unit(total)


def _counted(labels: Keys) -> tuple[Keys, NDArray[np.float64]]:
    """Each label once, and the root of how often it is there."""
    each, counts = np.unique(labels, return_counts=True)
    return each, np.sqrt(counts)


def _relabeled(labels: Keys, graph: _Graph) -> Keys:
    """Each gate's label with those of its neighbors: a hash of its own and of the sum of theirs, which has no order."""
    forth, back = np.uint64(2) * graph.kinds, np.uint64(2) * graph.kinds + np.uint64(1)
    around = np.zeros_like(labels)
    np.add.at(around, graph.later, mix(mix(labels[graph.earlier]) + forth))
    np.add.at(around, graph.earlier, mix(mix(labels[graph.later]) + back))
    return mix(mix(labels) ^ around)


def _graph(gates: Iterable[_Gate]) -> _Graph:
    labels: list[int] = []
    edges: list[tuple[int, int, int]] = []
    last: dict[int, tuple[int, int]] = {}  # by qubit: the last gate on it, and its role there
    for index, (label, qubits, roles) in enumerate(gates):
        labels.append(_number(label))
        for qubit, role in zip(qubits, roles, strict=True):
            if qubit in last:
                earlier, before = last[qubit]
                edges.append((earlier, index, 2 * before + role))
            last[qubit] = index, role
    joined = np.array(edges, np.intp).reshape(-1, 3)
    return _Graph(np.array(labels, np.uint64), joined[:, 0], joined[:, 1], joined[:, 2].astype(np.uint64))


def _gates_of(steps: Iterable[Step]) -> Iterator[_Gate]:
    """Steps of a circuit that measures in the middle: gates as IonQ names them, and what reads qubits."""
    for step in steps:
        if step.name in _READING:
            yield _Gate(step.name, step.qubits, (0,))
        else:
            yield from map(_gate, json.loads(write([step])))


def _gate(spelled: dict[str, Any]) -> _Gate:
    """One gate of IonQ's JSON."""
    name, targets, controls = spelled["gate"], spelled["targets"], spelled.get("controls", [])
    turn = _turn(spelled["rotation"]) if "rotation" in spelled else ""
    role = 0 if name == "z" else 1  # a controlled z is the same whichever way round
    return _Gate(
        f"{name} {len(controls)} {turn}", (*controls, *targets), (*[role] * len(controls), *[0] * len(targets))
    )


def _turn(angle: float) -> str:
    """What kind of angle it is: how many quarters of a turn, an odd number of eighths, or any other.

    Gates of these three kinds are Clifford gates, cost one T gate, or may take any value, as variational angles do.

    Args:
        angle: Radians.
    """
    eighths = angle / _EIGHTH
    nearest = round(eighths)
    if abs(eighths - nearest) > _CLOSE:
        return "any"
    return "eighth" if nearest % 2 else f"{nearest // 2 % 4} quarters"


@lru_cache(maxsize=4096)
def _number(label: str) -> int:
    """64 bits that stand for a label, the same in every process."""
    return int.from_bytes(blake2b(label.encode(), digest_size=8).digest(), "little")
