"""The archive in a store that takes little at once and shows what was written only later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qiskit import QuantumCircuit

import pinecone_server
from conditions import wait_until
from producer import Producer, all_over
from qstore.app import app
from qstore.options import parse_options
from qstore.preparation import Caller
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import ScriptedIonQ
from workers.vectors.pinecone import PineconeStore

pytestmark = pytest.mark.usefixtures("redis_server")

QUBITS = 12
DEEP = 400  # layers: the compiled circuit takes far more than one record of Pinecone's may hold


@pytest.fixture
def store() -> Iterator[PineconeStore]:
    with pinecone_server.running() as server:
        store = server.store()
        yield store
        store.close()


def wide_and_deep() -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS, name="wide and deep")
    for layer in range(DEEP):
        for qubit in range(QUBITS):
            circuit.ry(0.001 * (layer * QUBITS + qubit + 1), qubit)
        circuit.cx(layer % QUBITS, (layer + 1) % QUBITS)
    circuit.measure_all()
    return circuit


def test_what_is_far_larger_than_a_record_comes_back_whole(
    store: PineconeStore, connection: Connection, keys: Keys, replica: Callable[..., Any], coins: ScriptedIonQ
) -> None:
    uniform = {str(state): 1 / 2**QUBITS for state in range(2**QUBITS)}
    coins.prepare = lambda part: setattr(part, "share", uniform)
    worker, producer = (
        replica(coins.url, store, archive_patience=60.0, ionq_read_timeout=20.0),
        Producer(connection, keys),
    )
    client: Any = connection.client

    def answer() -> dict[str, Any]:
        caller = Caller(f"{keys.prefix}job")
        job = producer.preparation.prepare(caller, wide_and_deep(), parse_options({"shots": 100_000}))
        (submitted,) = producer.submission.submit([job])
        result = app.AsyncResult(submitted.job_id)
        worker.turn_until(all_over(producer, [result]), "counts")
        found: dict[str, Any] = result.get()
        result.forget()
        return found

    before = answer()
    archivist = worker.resources.classical.archivist
    wait_until(lambda: archivist.turn() == 0.0 and not client.xlen(keys.outbox), what="the archive")
    for key in client.scan_iter(f"{keys.prefix}*"):
        client.delete(key)
    after = answer()
    assert (before["source"], after["source"]) == ("executed", "archived")
    for known in ("counts", "probabilities", "seed", "remote_id", "executed_at"):
        assert after[known] == before[known]
    assert len(coins.shots) == 1
