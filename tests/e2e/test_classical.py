"""What a replica does with its vector store: it archives, finds and ranks, and says how it is, whatever dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis
from click.testing import CliRunner, Result
from qiskit import QuantumCircuit

from conditions import free_port, let_go_of_redis, start_again, wait_until
from qstore import as_completed, rank_vectors, similar, submit_circuit, submit_circuits, upsert_vectors
from qstore.app import app, settings
from qstore.cli import main
from qstore.errors import NotArchivedError, VectorStoreRefusedError
from qstore.sandbox.sandbox import Sandbox
from qstore.state.keys import Keys

COUNT = 60
METRICS_PORT = free_port()
CLOSED = 'qstore_pool_closed_total{pool="IonQ",reason="errors"} '
PARTS = ["Redis", "breakers", "IonQ", "pgvector"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One whose breakers probe soon, and whose batches take long enough for something to happen meanwhile."""
    folder, port = tmp_path_factory.mktemp("sandbox"), urlsplit(settings.redis_url).port
    changes = {
        "QSTORE_RECOVERY_TIMEOUT": "0.5",
        "QSTORE_VECTOR_TIMEOUT": "2",
        "QSTORE_PGVECTOR_POOL_TIMEOUT": "1",
        "QSTORE_METRICS_PORT": str(METRICS_PORT),
    }
    with Sandbox(folder / "data", workers=1, latency=0.3, redis_port=port, flower=False, settings=changes) as running:
        yield running
    let_go_of_redis()


def health(*options: str) -> Result:
    return CliRunner().invoke(main, ["health", "--timeout", "8", *options])


def told(done: Result) -> dict[str, dict[str, Any]]:
    """What the replica told of its parts, by name."""
    (replica,) = json.loads(done.stdout)["replicas"].values()
    return {part["part"]: part for part in replica["parts"]}


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


@pytest.mark.usefixtures("sandbox")
def test_a_replica_that_is_well_says_so_in_every_way() -> None:
    done = health("--json")
    assert done.exit_code == 0, done.output
    assert list(told(done)) == PARTS
    for name in ("Redis", "IonQ", "pgvector"):
        assert told(done)[name]["pools"], name

    (answer,) = app.control.inspect(timeout=10.0, limit=1)._request("qstore_health").values()
    assert [part["part"] for part in answer["parts"] if part["ok"]] == PARTS

    page = httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics", trust_env=False).raise_for_status().text
    for line in (
        'qstore_pool_size{pool="IonQ"} 1.0',
        'qstore_pool_max_size{pool="pgvector"} 4.0',
        "qstore_outbox_entries 0.0",
        'qstore_breaker_state{breaker="store:pgvector",state="closed"} 1.0',
    ):
        assert line in page.splitlines()


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
            start_again(sandbox.postgres)
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


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, name=f"ghz{qubits}")
    circuit.h(0)
    for target in range(1, qubits):
        circuit.cx(target - 1, target)
    circuit.measure_all()
    return circuit


def test_what_is_near_is_found_by_circuit_and_by_job(sandbox: Sandbox) -> None:
    client = redis.Redis.from_url(sandbox.redis.url)
    relabeled = QuantumCircuit(4, name="relabeled")
    relabeled.h(3)
    for control, target in ((3, 1), (1, 0), (0, 2)):
        relabeled.cx(control, target)
    relabeled.measure_all()
    asked = {circuit.name: submit_circuit.delay(circuit, shots=100) for circuit in (ghz(3), ghz(4), relabeled)}
    for job in asked.values():
        job.get(timeout=60)
    wait_until(lambda: client.xlen(Keys(settings.key_prefix).outbox) == 0, within=60, what="an empty outbox")
    found = similar(ghz(4), top_k=3)
    assert (found["circuits"][0]["name"], round(found["circuits"][0]["similarity"], 4)) == ("relabeled", 1.0)
    assert (found["outcomes"][0]["name"], round(found["outcomes"][0]["affinity"], 4)) == ("relabeled", 1.0)
    by_job = similar(asked["ghz4"].id, top_k=3)
    assert by_job == found
    with pytest.raises(NotArchivedError):
        similar(job_id="a job that nobody submitted")
    client.close()


def test_vectors_are_ranked_and_asked_again_nothing_is_executed(sandbox: Sandbox) -> None:
    vectors = {"same": [0.5, 0.2, -0.3], "near": [0.5, 0.3, -0.3], "far": [-1.0, 1.0, 0.9]}
    payloads = [{"kind": "vector"}] * 3
    assert upsert_vectors(list(vectors), list(vectors.values()), payloads, collection="three", metric="l2") == 3
    query = rank_vectors.delay(vectors["same"], top_k=2, candidates=3, collection="three", shots=2000)
    answer = query.get(timeout=60)
    assert [each["id"] for each in answer["vectors"]] == ["same", "near"]
    assert answer["vectors"][0]["fidelity"] == 1.0
    assert 0.5 < answer["vectors"][1]["fidelity"] < 1.0
    assert (answer["candidates"], answer["circuits"]["executed"]) == (3, 3)
    before = sandbox.stats()["circuits_accepted"]
    again = rank_vectors(vectors["same"], top_k=2, candidates=3, collection="three", shots=2000)
    assert again["vectors"] == answer["vectors"]
    assert again["circuits"]["cached"] == 3
    assert sandbox.stats()["circuits_accepted"] == before
    with pytest.raises(VectorStoreRefusedError):
        rank_vectors([1.0], candidates=1, top_k=1, collection="none-such")


def test_what_dies_is_named_until_nobody_answers(sandbox: Sandbox) -> None:
    assert sandbox.postgres
    sandbox.ionq.kill()
    sandbox.postgres.kill()
    done = health("--json")
    assert done.exit_code == 1
    assert [name for name, part in told(done).items() if not part["ok"]] == ["IonQ", "pgvector"]
    assert "IonQ down: " in done.stderr
    secrets = (sandbox.environment["IONQ_API_KEY"], urlsplit(sandbox.postgres.url).password)
    assert not [secret for secret in secrets if secret is None or secret in done.output]

    page = httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics", trust_env=False).raise_for_status().text
    (closed,) = (line for line in page.splitlines() if line.startswith(CLOSED))
    assert float(closed.removeprefix(CLOSED)) >= 1.0

    sandbox.kill_worker()
    assert health().output == "Error: no replica answers\n"
    sandbox.redis.kill()
    without = health()
    assert without.exit_code == 1
    assert "Check QSTORE_REDIS_URL and that Redis is up" in without.output
    assert len(without.output.splitlines()) == 1
