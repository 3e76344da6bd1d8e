"""A producer process: for each order on a line of stdin it submits jobs, and says on a line of stdout how they ended.

An order asks for `distinct` circuits from number `first` on, and for `repeats` of them twice in a row. Each circuit
writes its number into its qubits, so its counts are known beforehand and are nobody else's: `ok` means these. A job
is `wrong` with other counts, `failed` with an error, and `lost` where it has not ended `within` so many seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from celery.utils import uuid
from qiskit import QuantumCircuit
from redis import Redis
from redis.exceptions import RedisError

from qstore import submit_circuit
from qstore.app import app, settings
from qstore.errors import StoreUnavailableError

WIDTH = 13
"""Qubits: numbers go up to 8191."""

_PAUSE = 0.02  # seconds between two looks
_ENDED = {"SUCCESS", "FAILURE"}


def circuit(number: int) -> QuantumCircuit:
    """The circuit that writes a number."""
    if number >= 2**WIDTH:
        raise ValueError(f"{number} does not fit into {WIDTH} qubits: this trial asks for too many circuits.")
    writes = QuantumCircuit(WIDTH, WIDTH, name=f"number {number}")
    for qubit in range(WIDTH):
        if number >> qubit & 1:
            writes.x(qubit)
    writes.measure(range(WIDTH), range(WIDTH))
    return writes


def numbers(first: int, distinct: int, repeats: int) -> Iterator[int]:
    """Which circuits an order asks for; the repeats are spread evenly."""
    for place in range(distinct):
        twice = (place + 1) * repeats // distinct > place * repeats // distinct
        yield from [first + place] * (2 if twice else 1)


def submit(number: int, shots: int, deadline: float) -> str:
    """Submit a job until Redis takes it. Where an answer was lost it may have; under the same id that harms nobody."""
    job_id = uuid()
    while True:
        try:
            submit_circuit.apply_async((circuit(number),), {"shots": shots}, task_id=job_id)
        except StoreUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return str(job_id)


def watch(job_ids: Sequence[str], redis: Redis, deadline: float) -> dict[str, Mapping[str, Any]]:
    """The last entry of each job that ends in time; a Redis that is away meanwhile is waited for."""
    ended: dict[str, Mapping[str, Any]] = {}
    while (waiting := [job_id for job_id in job_ids if job_id not in ended]) and time.monotonic() < deadline:
        try:
            entries = redis.mget([app.backend.get_key_for_task(job_id) for job_id in waiting])
        except RedisError:
            entries = [None] * len(waiting)
        for job_id, entry in zip(waiting, entries, strict=True):
            if entry is not None and (meta := json.loads(entry))["status"] in _ENDED:
                ended[job_id] = meta
        time.sleep(_PAUSE)
    return ended


def judge(number: int, shots: int, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """How one job ended, and when: epoch seconds."""
    if entry is None:
        return {"number": number, "end": "lost", "at": time.time(), "said": ""}
    at = datetime.fromisoformat(entry["date_done"]).timestamp()
    result = entry["result"]
    if entry["status"] == "FAILURE":
        return {"number": number, "end": "failed", "at": at, "said": json.dumps(result)}
    right = result["counts"] == {format(number, f"0{WIDTH}b"): shots}
    return {"number": number, "end": "ok" if right else "wrong", "at": at, "said": json.dumps(result["counts"])}


def main() -> None:
    """Serve orders until stdin ends."""
    redis = Redis.from_url(settings.redis_url, socket_timeout=5.0, socket_connect_timeout=5.0)
    for line in sys.stdin:
        order = json.loads(line)
        deadline = time.monotonic() + order["within"]
        jobs: dict[str, int] = {}
        for number in numbers(order["first"], order["distinct"], order["repeats"]):
            jobs[submit(number, order["shots"], deadline)] = number
            time.sleep(order["pace"])
        ended = watch(list(jobs), redis, deadline)
        _say([judge(number, order["shots"], ended.get(job_id)) for job_id, number in jobs.items()])


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
