"""Replicas come and go in mid-run: nothing is lost, nothing is bought twice, and batches stay full."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
from celery.result import AsyncResult
from qiskit import QuantumCircuit, qasm3

from conditions import let_go_of_redis, wait_until
from qstore import submit_circuit, submit_circuits
from qstore.app import settings
from qstore.door import door
from qstore.sandbox.process import Process
from qstore.sandbox.sandbox import Sandbox

LATENCY = 0.5  # seconds IonQ takes over a job
BACKLOG = 150  # circuits not bought yet: more than ten slots take at once, so every batch finds its ten waiting,
COMPANY = 2.0  # seconds, or waits so long for them if this process gets no processor
PROGRESS = 60  # circuits bought between two changes
TURN = 0.05  # seconds between two looks at what is bought
SHOTS = 100
WIDTH = 12  # qubits: numbers go up to 4095
WITHIN = 30  # seconds, a quarter of a lease: what a replica left to its lease would come too late


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("scaling") / "data"
    port = urlsplit(settings.redis_url).port
    patient = {"QSTORE_BATCH_TIMEOUT": str(COMPANY)}
    with (
        Sandbox(
            folder, workers=1, latency=LATENCY, redis_port=port, postgres=False, flower=False, settings=patient
        ) as running,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setattr(door().claims, "_batch_timeout", round(COMPANY * 1000))
        yield running
    let_go_of_redis()


def circuit(number: int) -> QuantumCircuit:
    """Writes its number into its qubits: its counts are nobody else's."""
    writes = QuantumCircuit(WIDTH, WIDTH)
    for qubit in range(WIDTH):
        if number >> qubit & 1:
            writes.x(qubit)
    writes.measure(range(WIDTH), range(WIDTH))
    return writes


class Stream:
    """Distinct circuits, submitted one after the other by a thread that keeps a backlog, as long as a `with` block."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.results: dict[int, AsyncResult] = {}
        self.bought = 0  # circuits, a moment ago
        self._sandbox = sandbox
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self) -> None:
        """Wait until some more is bought."""
        reached = self.bought + PROGRESS
        wait_until(lambda: self.bought >= reached, what=f"the purchase of {reached} circuits")

    def _run(self) -> None:
        while not self._ended.wait(TURN):
            self.bought = self._sandbox.stats()["circuits_accepted"]
            self.results |= submit(range(len(self.results), self.bought + BACKLOG))


def submit(numbers: range) -> dict[int, AsyncResult]:
    """Every tenth as a message, which a replica holds until it has put the circuit where the others wait."""
    told, called = numbers[::10], [number for place, number in enumerate(numbers) if place % 10]
    send = submit_circuit.app.send_task
    messages = [send("qstore.submit_circuit", [qasm3.dumps(circuit(each))], {"shots": SHOTS}) for each in told]
    calls = submit_circuits(map(circuit, called), shots=SHOTS, progress=False)
    return dict(zip([*told, *called], [*messages, *calls.results], strict=True))


def ledger(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every job IonQ ever took, oldest first."""
    jobs: list[dict[str, Any]] = httpx.get(f"{sandbox.ionq.url}/sandbox/ledger").raise_for_status().json()["jobs"]
    return jobs


@contextmanager
def slow_ionq(sandbox: Sandbox, endpoint: str) -> Iterator[None]:
    """Let some of IonQ's answers come late."""
    faults = f"{sandbox.ionq.url}/sandbox/faults"
    late = {"kind": "stall_after", "stall": 0.5, "probability": 1, "endpoint": endpoint}
    httpx.post(faults, json=late).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(faults).raise_for_status()


def has_sent(worker: Process) -> bool:
    return "circuits are IonQ's" in worker.log.read_text("utf-8", "replace")


def stop(sandbox: Sandbox, worker: Process) -> None:
    """A warm stop, as SIGTERM asks for: the replica ends by itself, and well."""
    worker.ask_to_stop()
    wait_until(worker.finished, what=f"the end of {worker.name}")
    sandbox.workers.remove(worker)  # type: ignore[arg-type]  # it is one of them
    worker.kill()  # reaps it


def test_replicas_come_and_go_and_every_circuit_is_bought_once_in_full_batches(sandbox: Sandbox) -> None:
    [original] = sandbox.workers
    with Stream(sandbox) as stream:
        stream.progress()
        second, third = sandbox.add_worker(), sandbox.add_worker()
        wait_until(lambda: has_sent(second) and has_sent(third), what="a share for the new replicas")
        for leaving, endpoint in ((original, "POST /jobs"), (second, "GET /jobs")):
            with slow_ionq(sandbox, endpoint):  # so it leaves in the middle of requests
                stream.progress()
                stop(sandbox, leaving)
        assert sandbox.workers == [third]
    for number, result in stream.results.items():
        assert result.get(timeout=WITHIN)["counts"] == {format(number, f"0{WIDTH}b"): SHOTS}
    jobs = ledger(sandbox)
    circuits = [digest for job in jobs for digest in job["circuits"]]
    assert len(circuits) == len(set(circuits)) == len(stream.results)
    assert len(circuits) / len(jobs) >= 0.9 * settings.batch_size
