"""The body of one IonQ job, put together from circuits that are IonQ's JSON already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from qstore.job import Batch, Run

NONCE = "qstore_nonce"
"""The metadata key under which IonQ's job carries the batch's nonce."""


def payload(batch: Batch, runs: Sequence[Run]) -> bytes:
    """JSON of `POST /jobs`.

    Args:
        batch: Carries what the circuits share.
        runs: In the batch's order.
    """
    if runs[0].format == "qasm3":
        (run,) = runs
        kind, body = "ionq.qasm3.v1", _join({"qubits": run.qubits}, "data", run.wire)
    elif len(runs) == 1:
        (run,) = runs
        kind, body = "ionq.circuit.v1", _join({"gateset": "qis", "qubits": run.qubits}, "circuit", run.wire)
    else:
        kind = "ionq.multi-circuit.v1"
        circuits = b",".join(
            _join({"name": child_name(index, run), "qubits": run.qubits}, "circuit", run.wire)
            for index, run in enumerate(runs)
        )
        widest = max(run.qubits for run in runs)
        body = _join({"gateset": "qis", "qubits": widest}, "circuits", b"[" + circuits + b"]")
    return _join(_head(batch, kind), "input", body)


def child_name(index: int, run: Run) -> str:
    """What a circuit of a batch is called at IonQ: short, and telling."""
    return f"{index}-{run.run_id[:8]}"


def _head(batch: Batch, kind: str) -> dict[str, Any]:
    group = batch.group
    head: dict[str, Any] = {
        "type": kind,
        "backend": group.backend,
        "shots": group.shots,
        "name": f"qstore {batch.nonce}",
        "metadata": {NONCE: batch.nonce},
    }
    if group.backend == "simulator":
        noise = {"model": group.noise_model, "seed": group.noise_seed}
        head["noise"] = {name: value for name, value in noise.items() if value is not None}
    settings: dict[str, Any] = {}
    if group.debiasing is not None:
        settings["error_mitigation"] = {"debiasing": group.debiasing}
    if kind == "ionq.qasm3.v1":
        # results by register need IonQ's v0.4 compiler
        settings["compilation"] = {"service_version": "v0.4"}
    if settings:
        head["settings"] = settings
    return head


def _join(head: dict[str, Any], name: str, value: bytes) -> bytes:
    """A JSON object whose last value is JSON already."""
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"' + name.encode() + b'":' + value + b"}"
