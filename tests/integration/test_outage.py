"""A producer while Redis goes away and comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery.result import AsyncResult
from qiskit import QuantumCircuit

from conditions import let_go_of_redis, wait_until
from qstore import errors, status, submit_circuit
from qstore.app import settings
from qstore.door import door
from qstore.entries import Finish
from qstore.sandbox.redis import RedisServer


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One of the test's own: it stops it."""
    with RedisServer(tmp_path, port=urlsplit(settings.redis_url).port) as server:
        yield server
    let_go_of_redis()


def coin() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    return circuit


def subscribers(job: AsyncResult) -> int:
    (told,) = door().entries._connection.client.pubsub_numsub(door().entries.key(job.id))
    return int(told[1])


def test_whoever_waits_for_a_result_outlasts_a_restart_of_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    job = submit_circuit.delay(coin())
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(job.get(timeout=60)))
    waiting.start()
    wait_until(lambda: subscribers(job), what="the waiting")
    redis_server.stop()
    with pytest.raises(errors.StoreUnavailableError):
        submit_circuit.delay(coin(), seed=1)
    with pytest.raises(errors.StoreUnavailableError):
        submit_circuit.apply_async((coin(),), {"seed": 1}, countdown=1)
    with pytest.raises(errors.StoreUnavailableError):
        status(job)
    with RedisServer(tmp_path, port=urlsplit(settings.redis_url).port):
        door().entries.finish([Finish(job.id, {"counts": {"0": 1000}})])
        waiting.join(60)
    assert got == [{"counts": {"0": 1000}}]
