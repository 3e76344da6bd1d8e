"""The JSON documents that describe jobs and backends, with every key IonQ's description requires.

`noise` and `cost_model` are left out where there is none, never null.
"""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

from qstore.sandbox.ionq.backends import Backend, Noise
from qstore.sandbox.ionq.job import Job, State

ORGANIZATION_ID = "5a4d0000-0000-4000-8000-000000000002"
PROJECT_ID = "5a4d0000-0000-4000-8000-000000000001"
USER_ID = "5a4d00000000000000000001"

SHOTS_ARTIFACT = "ionq.result.shots.json.v2"
"""Under which the shots of an OpenQASM 3 program are listed by artifact id."""

_CIRCUIT_FORMATS = {
    "probabilities": "ionq.result.probabilities.json.v1",
    "histogram": "ionq.result.histogram.json.v1",
    "shots": "ionq.result.shots.json.v1",
}
_AGGREGATE_FORMAT = "ionq.result.probabilities-aggregate.json.v1"


def timestamp(epoch: float) -> str:
    """Epoch seconds as IonQ writes an instant: UTC, milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def created(job: Job) -> dict[str, Any]:
    """The answer to POST /jobs."""
    return {"id": job.id, "status": State.SUBMITTED, "session_id": job.order.session_id}


def listed(job: Job, now: float) -> dict[str, Any]:
    """A job as it stands in a list; lists do not name the children."""
    order = job.order
    state = job.state(now)
    ended = state in (State.COMPLETED, State.FAILED)
    failure = job.outcome.failure if job.outcome and state is State.FAILED else None
    half = round(job.latency * 500)
    document = {
        "id": job.id,
        "status": state,
        "type": job.type,
        "backend": order.backend.name,
        "dry_run": order.dry_run,
        "submitter_id": USER_ID,
        "project_id": PROJECT_ID,
        "parent_job_id": job.parent_id,
        "session_id": order.session_id,
        "metadata": None if job.parent_id else order.metadata,
        "name": job.name,
        "submitted_at": timestamp(job.submitted_at),
        "started_at": timestamp(job.started_at) if ended or state is State.STARTED else None,
        "completed_at": timestamp(job.completed_at) if ended else None,
        "predicted_wait_time_ms": half,
        "predicted_execution_duration_ms": half,
        "execution_duration_ms": round((job.completed_at - job.started_at) * 1000)
        if state is State.COMPLETED
        else None,
        "shots": order.shots,
        "failure": {"code": failure[0], "message": failure[1]} if failure else None,
        "output": {},
        "settings": order.settings,
        "stats": {
            "qubits": job.qubits,
            "circuits": len(job.leaves),
            "gate_counts": {"1q": job.gate_counts[0], "2q": job.gate_counts[1]},
        },
        "results": _results(job) if state is State.COMPLETED and not order.dry_run else None,
    }
    if order.noise is not None:
        document["noise"] = order.noise
    return document


def retrieved(job: Job, now: float) -> dict[str, Any]:
    """A job by itself."""
    return {**listed(job, now), "child_job_ids": [child.id for child in job.children] or None}


def artifact_id(job: Job, kind: str) -> str:
    """Where a result is found under /artifacts."""
    return str(uuid.uuid5(uuid.UUID(job.id), kind))


def _results(job: Job) -> dict[str, Any]:
    """Where the results are; both by address and by artifact id, as older and newer clients read them."""
    base = f"/v0.4/jobs/{job.id}/results"
    if job.children:
        return {
            "probabilities": {
                "url": f"{base}/probabilities/aggregated",
                **_artifact(job, "probabilities", _AGGREGATE_FORMAT),
            }
        }
    kinds = job.outcome.results if job.outcome else {}
    if job.type == "ionq.qasm3.v1" and "shots" in kinds:
        shots = {"url": f"{base}/shots", **_artifact(job, "shots", SHOTS_ARTIFACT)}
        return {"shots": shots, SHOTS_ARTIFACT: shots}
    return {kind: {"url": f"{base}/{kind}", **_artifact(job, kind, _CIRCUIT_FORMATS[kind])} for kind in kinds}


def _artifact(job: Job, kind: str, form: str) -> dict[str, str]:
    return {"id": artifact_id(job, kind), "format": form, "media_type": "application/json"}


def backend(described: Backend, characterization_id: str | None, now: float) -> dict[str, Any]:
    """A backend; none ever has a queue but the latency it is given.

    Args:
        described: The backend.
        characterization_id: Of the current one; None for the simulator.
        now: Epoch seconds.
    """
    document = {
        "backend": described.name,
        "status": "available",
        "qubits": described.qubits,
        "average_queue_time": 0,
        "last_updated": timestamp(now),
        "degraded": False,
    }
    if characterization_id is not None:
        document["characterization_id"] = characterization_id
    return document


def characterization(described: Backend, characterization_id: str, measured_at: float) -> dict[str, Any]:
    """How hardware errs here, which is all there is to say of it.

    Args:
        described: The machine.
        characterization_id: Of this one.
        measured_at: Epoch seconds.
    """
    noise = described.noise or Noise(0.0, 0.0, 0.0)
    return {
        "id": characterization_id,
        "backend": described.name,
        "date": timestamp(measured_at),
        "qubits": described.qubits,
        "connectivity": [list(pair) for pair in itertools.combinations(range(described.qubits), 2)],
        "fidelity": {
            "spam": {"median": 1 - noise.readout},
            "1q": {"median": 1 - noise.one_qubit},
            "2q": {"median": 1 - noise.two_qubit},
        },
    }
