"""A producer process: for each order on a line of stdin it submits jobs, and says on a line of stdout how they ended.

An order asks for `distinct` circuits from number `first` on, and for `repeats` of them twice in a row. Of the jobs
`revoked`, drawn by lot, are revoked again within `regret` seconds. Each circuit writes its number into its qubits, so
its counts are known beforehand and are nobody else's: `ok` means these. A job is `wrong` with other counts, or where
it was revoked and has counts all the same, `failed` with an error, and `lost` where it has not ended `within` so many
seconds.
"""

from __future__ import annotations

import heapq
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from celery.utils import uuid
from qiskit import QuantumCircuit
from redis import Redis
from redis.exceptions import RedisError

from qstore import cancel, submit_circuit
from qstore.app import app, settings
from qstore.errors import StoreUnavailableError

WIDTH = 13
"""Qubits: numbers go up to 8191."""

_PAUSE = 0.02  # seconds between two looks
_HALF = 0.5
_ENDED = {"SUCCESS", "FAILURE", "REVOKED"}


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


class Regrets:
    """Jobs that are to be revoked, and those that were.

    Args:
        chance: Draws when, and how.
        regret: Seconds within which.

    Attributes:
        ended: For each job that was revoked whether that ended it; None where Celery does not say.
    """

    def __init__(self, chance: random.Random, regret: float) -> None:
        self.ended: dict[str, bool | None] = {}
        self._chance = chance
        self._regret = regret
        self._waiting: list[tuple[float, str]] = []  # by when

    def add(self, job_id: str) -> None:
        """One more."""
        heapq.heappush(self._waiting, (time.monotonic() + self._chance.uniform(0.0, self._regret), job_id))

    def act(self) -> bool:
        """Revoke those whose moment has come; return whether some wait for theirs."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, job_id = heapq.heappop(self._waiting)
            if self._chance.random() < _HALF:
                self.ended[job_id] = cancel(job_id)[0]
            else:
                self.ended[job_id] = None
                app.control.revoke(job_id)
        return bool(self._waiting)


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


def judge(number: int, shots: int, entry: Mapping[str, Any] | None, ended: bool | None) -> dict[str, Any]:
    """How one job ended, and when: epoch seconds.

    Args:
        number: Of its circuit.
        shots: As asked.
        entry: What Celery says; None where it has not ended.
        ended: Whether it was revoked before its end, and False where that came too late; None where that is not known.
    """
    if entry is None:
        return {"number": number, "end": "lost", "at": time.time(), "said": ""}
    at = datetime.fromisoformat(entry["date_done"]).timestamp()
    result = entry["result"]
    if entry["status"] == "FAILURE":
        return {"number": number, "end": "failed", "at": at, "said": json.dumps(result)}
    if entry["status"] == "REVOKED":
        return {"number": number, "end": "wrong" if ended is False else "revoked", "at": at, "said": "revoked"}
    right = not ended and result["counts"] == {format(number, f"0{WIDTH}b"): shots}
    return {"number": number, "end": "ok" if right else "wrong", "at": at, "said": json.dumps(result["counts"])}


def main() -> None:
    """Serve orders until stdin ends."""
    redis = Redis.from_url(settings.redis_url, socket_timeout=5.0, socket_connect_timeout=5.0)
    for line in sys.stdin:
        order = json.loads(line)
        deadline = time.monotonic() + order["within"]
        chance = random.Random(order["first"])
        regrets = Regrets(chance, order["regret"])
        asked = list(numbers(order["first"], order["distinct"], order["repeats"]))
        doomed = set(chance.sample(range(len(asked)), order["revoked"]))
        jobs: dict[str, int] = {}
        for place, number in enumerate(asked):
            job_id = submit(number, order["shots"], deadline)
            jobs[job_id] = number
            if place in doomed:
                regrets.add(job_id)
            regrets.act()
            time.sleep(order["pace"])
        while regrets.act():
            time.sleep(_PAUSE)
        ended = watch(list(jobs), redis, deadline)
        _say(
            [
                {"job_id": job_id, **judge(number, order["shots"], ended.get(job_id), regrets.ended.get(job_id))}
                for job_id, number in jobs.items()
            ]
        )


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
