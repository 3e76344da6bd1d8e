"""One round of a benchmark: circuits nobody asked for before, and the rate at which their jobs end."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from qiskit import QuantumCircuit

_GLANCE = 100  # entries read at a time
_PAUSE = 0.01  # seconds between two glances


def circuits(count: int, start: int) -> list[QuantumCircuit]:
    """Distinct two-qubit circuits.

    Args:
        count: How many.
        start: Number of the first; the same number is the same circuit.
    """
    made = []
    for number in range(start, start + count):
        circuit = QuantumCircuit(2, 2, name=f"bench-{number}")
        circuit.h(0)
        circuit.ry(math.tau * number / 1_000_003, 1)
        circuit.cx(0, 1)
        circuit.measure([0, 1], [0, 1])
        made.append(circuit)
    return made


def timed(begin: Callable[[], Sequence[Any]], on_ended: Callable[[int], object] = lambda _: None) -> float:
    """Jobs per second until every result is in the result backend.

    Args:
        begin: Sets the jobs going and returns their results; the clock starts just before.
        on_ended: Is told of each so many jobs that have ended.

    Raises:
        RuntimeError: A job failed.
    """
    gc.collect()
    gc.freeze()  # what was built before is nothing the queue should pay for
    began = time.perf_counter()
    results = begin()
    wait(results, on_ended)
    return len(results) / (time.perf_counter() - began)


def wait(results: Sequence[Any], on_ended: Callable[[int], object] = lambda _: None) -> None:
    """Do nothing until every result is in the result backend, and no longer than that.

    Args:
        results: Of jobs, at least one.
        on_ended: Is told of each so many jobs that have ended.

    Raises:
        RuntimeError: A job failed.
    """
    backend = results[0].backend
    waiting = [backend.get_key_for_task(result.id) for result in results]
    while waiting:
        entries = backend.client.mget(waiting[:_GLANCE])
        states = [backend.decode_result(entry)["status"] for entry in entries if entry]
        if "FAILURE" in states:
            raise RuntimeError("A job of the benchmark failed: see the worker's log.")
        if states.count("SUCCESS") == len(entries):
            waiting = waiting[_GLANCE:]
            on_ended(len(entries))
        else:
            time.sleep(_PAUSE)
