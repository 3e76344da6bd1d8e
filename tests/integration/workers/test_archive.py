"""What was paid for outlives Redis: executed runs are archived, and the archive answers before anything is bought."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conditions import wait_until
from exact_store import ExactCollection, ExactStore
from qstore.errors import VectorStoreRefusedError, VectorStoreUnavailableError
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import ScriptedIonQ
from service import Service, coin
from workers.archive import CIRCUITS, OUTCOMES
from workers.vectors.store import Record

pytestmark = pytest.mark.usefixtures("redis_server")

MACHINE = "qpu.forte-1"


class Archiving(Service):
    """A service whose replica has an archive."""

    store: ExactStore

    def archive(self) -> None:
        """Have all that was executed archived."""
        archivist = self.replica.resources.classical.archivist
        wait_until(lambda: archivist.turn() == 0.0 and not self._client.xlen(self._keys.outbox), what="the archive")

    def flush(self) -> None:
        """Have Redis forget everything."""
        for key in self._client.scan_iter(f"{self._keys.prefix}*"):
            self._client.delete(key)

    def archived(self, **filter: Any) -> list[dict[str, Any]]:  # noqa: A002 - as the store has it
        """What is archived of executions."""
        found = self.store.collection(OUTCOMES, 256).query([1.0] * 256, 100, filter)
        return [dict(match.record.payload) for match in found]

    def waiting(self) -> int:
        """How much is not."""
        return int(self._client.xlen(self._keys.outbox))


@pytest.fixture
def service(connection: Connection, keys: Keys, replica: Callable[..., Any], coins: ScriptedIonQ) -> Archiving:
    store = ExactStore()
    made = Archiving(connection, keys, replica(coins.url, store, archive_patience=60.0, failure_threshold=2))
    made.store = store
    return made


def sample(result: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one sample from another."""
    return result["counts"], result["seed"], result["remote_id"], result["executed_at"]


def test_all_there_is_to_know_of_an_execution_is_archived(service: Archiving) -> None:
    result = service.answer(name="a coin", backend=MACHINE, error_mitigation="debiasing", optimization_level=2)
    service.archive()
    (kept,) = service.archived(fingerprint=result["fingerprint"])
    assert {name: kept[name] for name in ("name", "backend", "shots", "qubits", "width", "remote_id")} == {
        **{name: result[name] for name in ("name", "backend", "shots", "remote_id")},
        "qubits": 1,
        "width": 1,
    }
    assert kept["executed_at"] == result["executed_at"]
    assert kept["outcome"]["states"] == {"0": result["counts"]["0"], "1": result["counts"]["1"]}
    assert kept["outcome"]["probabilities"] == {"0": 0.5, "1": 0.5}
    assert kept["outcome"]["usd"] == result["cost"]["usd"] == 1.0
    assert kept["outcome"]["calibration"]
    assert (kept["outcome"]["sent"], kept["outcome"]["done"]) == (result["times"]["sent"], result["times"]["done"])
    assert kept["run"]["group"]["debiasing"] is True
    assert kept["run"]["optimization_level"] == 2
    assert [gate["gate"] for gate in json.loads(kept["circuit"])] == ["ry"]


def test_redis_flushed_nothing_is_executed_again(service: Archiving, coins: ScriptedIonQ) -> None:
    angles = [0.1, 0.2, 0.3, 0.4, 0.5]
    before = service.read(*service.ask_all(angles))
    service.archive()
    service.flush()
    after = service.read(*service.ask_all(angles))
    assert [result["source"] for result in after] == ["archived"] * 5
    assert [sample(result) for result in after] == [sample(result) for result in before]
    assert all(result["cost"] == {"quantum_seconds": 0.0, "usd": 0.0} for result in after)
    assert all(0.0 < result["age"] < 60.0 for result in after)
    assert len(coins.shots) == 2
    (again,) = service.read(service.ask(0.1))
    assert (again["source"], sample(again)) == ("cached", sample(before[0]))
    assert service.tally.read().recalls == 5
    # no permit of the breaker, which has two here, is left with a batch that was never sent
    assert service.answer(0.9)["source"] == "executed"


def test_only_what_the_archive_does_not_know_is_bought(service: Archiving, coins: ScriptedIonQ) -> None:
    service.read(*service.ask_all([0.1, 0.2]))
    service.archive()
    service.flush()
    results = service.read(*service.ask_all([0.1, 0.7, 0.2]))
    assert [result["source"] for result in results] == ["archived", "executed", "archived"]
    assert len(coins.shots) == 2
    service.archive()
    assert len(service.archived()) == 3


@pytest.mark.parametrize("options", [{"max_age": 0.001}, {"reuse": "never"}, {"reuse": "inflight"}, {"reuse": "bank"}])
def test_who_wants_it_fresh_gets_it_fresh(service: Archiving, options: dict[str, Any]) -> None:
    old = service.answer()
    service.archive()
    service.flush()
    new = service.answer(**options)
    assert new["source"] == "executed"
    assert sample(new) != sample(old)


def test_one_that_is_too_old_keeps_no_other_from_its_answer(service: Archiving) -> None:
    service.read(*service.ask_all([0.1, 0.2]))
    service.archive()
    service.flush()
    results = service.read(service.ask(0.1), service.ask(0.2, max_age=0.001))
    assert [result["source"] for result in results] == ["archived", "executed"]


def test_one_of_another_calibration_keeps_no_other_from_its_answer(service: Archiving, coins: ScriptedIonQ) -> None:
    service.answer(0.1, backend=MACHINE)
    service.archive()
    service.flush()
    coins.calibration = "another"
    service.answer(0.2, backend=MACHINE)
    service.archive()
    service.flush()
    results = service.read(*service.ask_all([0.1, 0.2], backend=MACHINE))
    assert [result["source"] for result in results] == ["executed", "archived"]


@pytest.mark.parametrize("angles", [[0.1, 0.2], [0.1, 0.2, 0.7]])
def test_what_somebody_wants_fresher_while_the_archive_is_asked_is_executed(
    service: Archiving, monkeypatch: pytest.MonkeyPatch, angles: list[float]
) -> None:
    service.read(*service.ask_all([0.1, 0.2]))
    service.archive()
    service.flush()
    asked = service.ask_all(angles)
    fetch = ExactCollection.fetch

    def joined_meanwhile(self: ExactCollection, ids: list[str]) -> dict[str, Record]:
        for run in service._client.scan_iter(service._keys.run("*")):
            service._client.hset(run, "archive", 0)
        return fetch(self, ids)

    monkeypatch.setattr(ExactCollection, "fetch", joined_meanwhile)
    assert {result["source"] for result in service.read(*asked)} == {"executed"}


def test_the_newest_execution_answers(service: Archiving) -> None:
    service.answer()
    newest = service.answer(reuse="inflight")
    service.archive()
    service.flush()
    assert sample(service.answer()) == sample(newest)
    assert len(service.archived()) == 2


def test_of_a_bank_each_part_is_archived_as_it_was_bought(service: Archiving) -> None:
    service.answer(reuse="bank", shots=100)
    service.answer(reuse="bank", shots=250)
    service.archive()
    assert sorted(kept["shots"] for kept in service.archived()) == [100, 150]


def test_a_machine_calibrated_anew_executes_anew(service: Archiving, coins: ScriptedIonQ) -> None:
    service.answer(backend=MACHINE)
    service.archive()
    service.flush()
    assert service.answer(backend=MACHINE)["source"] == "archived"
    service.flush()
    coins.calibration = "another"
    assert service.answer(backend=MACHINE)["source"] == "executed"


def test_an_execution_read_twice_is_archived_once(service: Archiving, connection: Connection, keys: Keys) -> None:
    client: Any = connection.client
    service.answer()
    ((_, fields),) = client.xrange(keys.outbox)
    service.archive()
    client.xadd(keys.outbox, fields)
    service.archive()
    assert len(service.archived()) == 1


def test_a_store_that_is_away_delays_the_archive_and_no_job(
    service: Archiving, coins: ScriptedIonQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(*_: object) -> None:
        asked.append(1)
        raise VectorStoreUnavailableError("The store is away.")

    with monkeypatch.context() as patch:
        for verb in ("upsert", "fetch"):
            patch.setattr("exact_store.ExactCollection." + verb, away)
        results = service.read(*service.ask_all([number / 10 for number in range(1, 13)]))
        pauses = [service.replica.resources.classical.archivist.turn() for _ in range(5)]
    assert {result["source"] for result in results} == {"executed"}
    assert len(coins.shots) == 4
    assert service.waiting() == 12
    assert all(pause > 0.0 for pause in pauses)
    assert len(asked) == 2, "the breaker lets nothing out after two failures"
    _probe(service)
    service.archive()
    assert len(service.archived()) == 12


def _probe(service: Archiving) -> None:
    """Have the time pass after which an open breaker probes."""
    (record,) = (key for key in service._client.scan_iter(service._keys.breaker("store:exact")[0]))
    service._client.hset(record, "opened_at", 0)


def test_a_store_that_hangs_holds_a_batch_no_longer_than_its_patience(
    connection: Connection,
    keys: Keys,
    replica: Callable[..., Any],
    coins: ScriptedIonQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    monkeypatch.setattr("exact_store.ExactCollection.fetch", lambda *_: released.wait(60.0) or {})
    service = Service(connection, keys, replica(coins.url, ExactStore(), archive_patience=0.05))
    assert {each["source"] for each in service.read(*service.ask_all([0.1, 0.2]))} == {"executed"}
    released.set()


def test_an_archive_that_gives_nonsense_is_bought_around(service: Archiving, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answer()
    service.archive()
    service.flush()
    broken = {"execution_id": "of none"}
    monkeypatch.setattr(
        "exact_store.ExactCollection.fetch",
        lambda _, ids: {each: Record(each, np.ones(256, np.float32), broken) for each in ids},
    )
    assert service.answer()["source"] == "executed"


def test_one_that_the_store_refuses_does_not_hold_up_the_others(
    service: Archiving, connection: Connection, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = ExactCollection.upsert

    def picky(self: ExactCollection, records: list[Record]) -> None:
        if any(record.payload["name"] == "ugly" for record in records):
            raise VectorStoreRefusedError("Not this one.")
        upsert(self, records)

    monkeypatch.setattr(ExactCollection, "upsert", picky)
    asked = [service.ask(0.1), service.ask(0.2, name="ugly"), service.ask(0.3)]
    service.read(*asked)
    connection.client.xadd(keys.outbox, {"head": b"no run", "wire": b"", "outcome": b"{}"})
    service.archive()
    client: Any = connection.client
    assert len(service.archived()) == 2
    whys = [fields[b"why"] for _, fields in client.xrange(keys.outbox_refused)]
    assert whys[0] == b"Not this one."
    assert whys[1].startswith(b"JSONDecodeError")


def test_what_the_archive_answered_is_said_to_be_so_by_whoever_finishes_it(
    service: Archiving, replica: Callable[..., Any], coins: ScriptedIonQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = service.answer()
    service.archive()
    service.flush()
    asked = service.ask()
    with monkeypatch.context() as patch:
        # the replica dies where the record says that it is settled, and no job is finished
        patch.setattr("workers.settle.Settlement._finish", lambda *_: None)
        wait_until(lambda: service.replica.resources.loop.turn() and _settled(service), what="a settled record")
    heir = replica(coins.url, service.store)
    for due in service._client.zrange(service._keys.due, 0, -1):
        service._client.zadd(service._keys.due, {due: 0})
    heir.turn_until(asked.ready, "the end of the job")
    assert (asked.get()["source"], sample(asked.get())) == ("archived", sample(before))


def _settled(service: Archiving) -> bool:
    records = service._client.scan_iter(service._keys.batch("*"))
    return any(service._client.hget(record, "state") == b"settled" for record in records)


def test_whoever_does_not_archive_keeps_nothing_for_an_archive(
    connection: Connection, keys: Keys, replica: Callable[..., Any], coins: ScriptedIonQ
) -> None:
    Service(connection, keys, replica(coins.url)).answer()
    assert not connection.client.exists(keys.outbox)


def test_a_circuit_points_at_its_newest_execution(service: Archiving) -> None:
    result = service.answer()
    service.archive()
    (match,) = service.store.collection(CIRCUITS, 256).query([1.0] * 256, 10)
    assert match.record.payload["fingerprint"] == result["fingerprint"]
    (kept,) = service.archived()
    found = service.store.collection(OUTCOMES, 256).fetch([match.record.payload["execution_id"]])
    assert [record.payload for record in found.values()] == [kept]
    assert coin(1.5).num_qubits == match.record.payload["qubits"]
