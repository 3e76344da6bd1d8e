"""qstore: a distributed job queue for quantum circuits that runs nothing twice and pays for nothing twice.

from qstore import submit_circuit

submit_circuit.delay(circuit, shots=1000).get(timeout=60)["counts"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore.app import app
    from qstore.bulk import submit_circuits
    from qstore.cancellation import cancel
    from qstore.job_status import Status, status
    from qstore.result import Result
    from qstore.tasks import submit_circuit

__all__ = ["Result", "Status", "app", "cancel", "status", "submit_circuit", "submit_circuits"]

_HOMES = {
    "Result": "qstore.result",
    "Status": "qstore.job_status",
    "app": "qstore.app",
    "cancel": "qstore.cancellation",
    "status": "qstore.job_status",
    "submit_circuit": "qstore.tasks",
    "submit_circuits": "qstore.bulk",
}


def __getattr__(name: str) -> Any:
    """Load the public face on first use: the command line and the sandbox need neither Celery nor Qiskit."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only where something is looked up

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
