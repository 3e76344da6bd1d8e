"""The Celery task one would write first: it sends one circuit, and holds its worker slot until IonQ has executed it."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import httpx

from qstore.app import app, settings

_PAUSE = 0.05  # seconds between two looks


@cache
def _ionq() -> httpx.Client:
    """One client, kept alive and shared by the threads of a replica: no fault of the plain task is a connection."""
    key = settings.ionq_api_key.get_secret_value()
    return httpx.Client(base_url=settings.ionq_url, headers={"Authorization": f"apiKey {key}"}, timeout=30.0)


@app.task(name="benchmark.execute")  # type: ignore[untyped-decorator]  # Celery has no types
def execute(angle: float) -> Any:
    """Execute a two-qubit circuit and return its probabilities.

    Args:
        angle: Of a rotation, radians.
    """
    ionq = _ionq()
    circuit = [
        {"gate": "h", "target": 0},
        {"gate": "ry", "target": 1, "rotation": angle},
        {"gate": "cnot", "control": 0, "target": 1},
    ]
    order = {"type": "ionq.circuit.v1", "backend": "simulator", "shots": 100}
    sent = ionq.post("/jobs", json={**order, "input": {"gateset": "qis", "qubits": 2, "circuit": circuit}})
    job_id = sent.raise_for_status().json()["id"]
    while (job := ionq.get(f"/jobs/{job_id}").raise_for_status().json())["status"] not in {"completed", "failed"}:
        time.sleep(_PAUSE)
    return ionq.get(httpx.URL(settings.ionq_url).join(job["results"]["probabilities"]["url"])).raise_for_status().json()
