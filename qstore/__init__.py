"""qstore: a distributed job queue for quantum circuits that runs nothing twice and pays for nothing twice.

from qstore import submit_circuit

submit_circuit.delay(circuit, shots=1000).get(timeout=60)["counts"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore import aio
    from qstore.bulk import submit_circuits
    from qstore.cancellation import cancel
    from qstore.circuits.canonical import fingerprint
    from qstore.completion import as_completed, wait
    from qstore.job_status import Status, status
    from qstore.ranking import rank_vectors
    from qstore.result import Result
    from qstore.similarity import similar
    from qstore.tasks import submit_circuit
    from qstore.vectors import upsert_vectors

__all__ = [
    "Result",
    "Status",
    "aio",
    "as_completed",
    "cancel",
    "fingerprint",
    "rank_vectors",
    "similar",
    "status",
    "submit_circuit",
    "submit_circuits",
    "upsert_vectors",
    "wait",
]

_HOMES = {
    "Result": "qstore.result",
    "Status": "qstore.job_status",
    "as_completed": "qstore.completion",
    "cancel": "qstore.cancellation",
    "fingerprint": "qstore.circuits.canonical",
    "rank_vectors": "qstore.ranking",
    "similar": "qstore.similarity",
    "status": "qstore.job_status",
    "submit_circuit": "qstore.tasks",
    "submit_circuits": "qstore.bulk",
    "upsert_vectors": "qstore.vectors",
    "wait": "qstore.completion",
}


def __getattr__(name: str) -> Any:
    """Load the public face on first use: the command line and the sandbox need neither Celery nor Qiskit."""
    from importlib import import_module  # noqa: PLC0415 - only where something is looked up

    if name == "aio":
        return import_module("qstore.aio")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
