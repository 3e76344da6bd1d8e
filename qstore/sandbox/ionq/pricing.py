"""What jobs cost here: gates times shots, with a minimum; the simulator is free.

The rates are made up. What counts is that an estimate and a job's cost agree, and that nothing is charged
for a job that did not complete.
"""

from __future__ import annotations

from typing import Any

from qstore.sandbox.ionq.backends import Backend
from qstore.sandbox.ionq.documents import timestamp
from qstore.sandbox.ionq.job import Job, State
from qstore.sandbox.ionq.order import Order

PER_ONE_QUBIT_GATE = 0.0001
"""US dollars for one gate on one qubit in one shot."""

PER_TWO_QUBIT_GATE = 0.001
"""US dollars for one gate on more qubits in one shot."""

MINIMUM = 10.0
"""US dollars a job costs at least."""

_UNIT = "usd"


def price(backend: Backend, gate_counts: tuple[int, int], shots: int) -> float:
    """US dollars."""
    if backend.simulator:
        return 0.0
    single, double = gate_counts
    return max(MINIMUM, shots * (single * PER_ONE_QUBIT_GATE + double * PER_TWO_QUBIT_GATE))


def order_price(order: Order) -> float:
    """US dollars a job would cost, before it was simulated."""
    counts = [work.gate_counts for work in order.works]
    return price(order.backend, (sum(one for one, _ in counts), sum(more for _, more in counts)), order.shots)


def job_price(job: Job) -> float:
    """US dollars a job costs if it completes."""
    return price(job.order.backend, job.gate_counts, job.order.shots)


def job_cost(job: Job, now: float) -> dict[str, Any]:
    """The answer to GET /jobs/{id}/cost; `cost` is there once the job is done."""
    estimated = job_price(job)
    document: dict[str, Any] = {
        "dry_run": job.order.dry_run,
        "estimated_cost": {"value": estimated, "unit": _UNIT},
    }
    state = job.state(now)
    if state is State.COMPLETED and not job.order.dry_run:
        document["cost"] = {"value": estimated, "unit": _UNIT}
    elif state in (State.COMPLETED, State.FAILED, State.CANCELED):
        document["cost"] = {"value": 0.0, "unit": _UNIT}
    return document


def estimate(inputs: dict[str, Any], backend: Backend, latency: float, now: float) -> dict[str, Any]:
    """The answer to GET /jobs/estimate, under the names of older and of newer clients.

    Args:
        inputs: The question, complete with its defaults.
        backend: Where the job would run.
        latency: Seconds a job takes.
        now: Epoch seconds.
    """
    cost = price(backend, (inputs["1q_gates"], inputs["2q_gates"]), inputs["shots"])
    half = round(latency * 500)
    rates = {
        "job_cost_minimum": 0.0 if backend.simulator else MINIMUM,
        "cost_1q_gate": 0.0 if backend.simulator else PER_ONE_QUBIT_GATE,
        "cost_2q_gate": 0.0 if backend.simulator else PER_TWO_QUBIT_GATE,
    }
    return {
        "input_values": inputs,
        "estimate_context": {**inputs, "organization": "sandbox", "project": None},
        "estimated_at": timestamp(now),
        "cost_unit": _UNIT,
        "estimated_unit": _UNIT,
        "rate_information": {**rates, "organization": "sandbox"},
        "rate_card": {"id": "sandbox", "rates": [{"sku": backend.name, "unit": "gates", **rates}]},
        "estimated_cost": cost,
        "estimated_total_cost": cost,
        "estimated_execution_time": half,
        "current_predicted_queue_time": half,
    }
