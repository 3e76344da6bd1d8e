"""What was paid for outlives Redis, and PostgreSQL may die meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from qiskit import QuantumCircuit

from conditions import let_go_of_redis, wait_until
from qstore import as_completed, submit_circuits
from qstore.app import settings
from qstore.sandbox.sandbox import Sandbox
from qstore.state.keys import Keys

COUNT = 60


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One whose breakers probe soon, and whose batches take long enough for something to happen meanwhile."""
    folder, port = tmp_path_factory.mktemp("sandbox"), urlsplit(settings.redis_url).port
    quick = {"QSTORE_RECOVERY_TIMEOUT": "0.5", "QSTORE_VECTOR_TIMEOUT": "2"}
    with Sandbox(folder / "data", latency=0.3, redis_port=port, flower=False, settings=quick) as running:
        yield running
    let_go_of_redis()


def circuits() -> list[QuantumCircuit]:
    made = []
    for number in range(COUNT):
        circuit = QuantumCircuit(2, name=f"c{number}")
        circuit.ry(number / 20, 0)
        circuit.cx(0, 1)
        circuit.measure_all()
        made.append(circuit)
    return made


def archived(sandbox: Sandbox) -> int:
    assert sandbox.postgres
    with psycopg.connect(sandbox.postgres.url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM qstore_outcomes").fetchone() or (0,)
    return int(count)


def test_postgresql_dies_in_mid_run_and_then_redis_forgets_everything(sandbox: Sandbox) -> None:
    assert sandbox.postgres
    client = redis.Redis.from_url(sandbox.redis.url)
    results = submit_circuits(circuits(), shots=100)
    before: dict[int, Any] = {}
    for index, result in as_completed(results, timeout=60):
        before[index] = result
        if len(before) == COUNT // 6:
            sandbox.postgres.kill()
        elif len(before) == COUNT // 2:
            sandbox.postgres.start()
    assert {result["source"] for result in before.values()} == {"executed"}
    wait_until(lambda: client.xlen(Keys(settings.key_prefix).outbox) == 0, within=60, what="an empty outbox")
    assert archived(sandbox) == COUNT
    bought = sandbox.stats()["circuits_accepted"]
    assert bought == COUNT

    client.flushall()
    again = submit_circuits(circuits(), shots=100).get(timeout=60)
    assert {result["source"] for result in again} == {"archived"}
    assert [result["counts"] for result in again] == [before[index]["counts"] for index in range(COUNT)]
    assert sandbox.stats()["circuits_accepted"] == bought
    client.close()
