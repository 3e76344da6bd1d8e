"""A replica is asked how it is: its real parts, a real Redis, and a server in IonQ's place that says as it is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from conditions import free_port
from qstore.circuits.targets import BACKENDS
from qstore.errors import IonQUnavailableError, StoreUnavailableError
from qstore.state.breaker import Breakers, Rules
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.slots import Slots
from qstore.state.vitals import Reading, Vitals
from workers.metrics import ReplicaCollector
from workers.pool_of_redis import stats_of_redis

WITHIN = 10.0  # seconds
KEY = "the-key-of-the-replica"


@pytest.fixture
def breakers(connection: Connection, keys: Keys) -> Iterator[Breakers]:
    yield Breakers(connection, keys, "account", Rules(failure_threshold=1))
    for key in connection.client.scan_iter(f"{keys.prefix}breaker:*"):
        connection.client.delete(key)


def parts(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["part"]: part for part in told["parts"]}


# -- the pool of Redis ------------------------------------------------------------------------------------------


def test_connections_to_redis_are_told_as_any_pool(connection: Connection) -> None:
    pool = connection.client.connection_pool
    lent = [pool.get_connection(), pool.get_connection()]
    pool.release(lent.pop())

    stats = stats_of_redis(pool)

    assert (stats.name, stats.size, stats.idle, stats.in_use, stats.kept) == ("Redis", 2, 1, 1, 2)
    assert stats.max_size == pool.max_connections
    pool.release(lent.pop())
    assert stats_of_redis(pool, "again").in_use == 0


# -- the shared state -------------------------------------------------------------------------------------------


def test_the_shared_state_is_read_in_one_trip(
    connection: Connection, keys: Keys, breakers: Breakers, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(connection, keys, "account", 10, 120.0)
    read = Vitals(connection, keys, slots, {"read": breakers.read, "store:s": breakers.store("s")}).read
    assert read() == Reading(0, 0, 0, 0, {"read": "closed", "store:s": "closed"})

    client: Any = connection.client
    client.set(keys.queued, 5)
    client.zadd(slots.key, {"a": 1, "b": 2, "c": 3})
    for number, stream in ((2, keys.outbox), (1, keys.outbox_refused)):
        for _ in range(number):
            client.xadd(stream, {"head": "x"})
    with pytest.raises(IonQUnavailableError), breakers.store("s").guard():
        raise IonQUnavailableError("gone")
    trips: list[None] = []
    pipeline = connection.pipeline

    def counted() -> Any:
        trips.append(None)
        return pipeline()

    monkeypatch.setattr(connection, "pipeline", counted)
    monkeypatch.setattr(client, "execute_command", lambda *_, **__: pytest.fail("a trip of its own"))
    assert read() == Reading(5, 3, 2, 1, {"read": "closed", "store:s": "open"})
    assert len(trips) == 1
    monkeypatch.undo()
    client.delete(keys.queued, slots.key, keys.outbox, keys.outbox_refused)


def test_a_scrape_goes_on_without_redis(keys: Keys) -> None:
    gone = Connection(f"redis://:s3cret@127.0.0.1:{free_port()}/0", timeout=1.0)
    vitals = Vitals(gone, keys, Slots(gone, keys, "account", 10, 120.0), {})
    with pytest.raises(StoreUnavailableError):
        vitals.read()
    registry = CollectorRegistry()
    registry.register(ReplicaCollector(lambda: [stats_of_redis(gone.client.connection_pool)], vitals.read))

    assert registry.get_sample_value("qstore_pool_size", {"pool": "Redis"}) is not None
    assert registry.get_sample_value("qstore_waiting_jobs") is None
    gone.close()


# -- a replica --------------------------------------------------------------------------------------------------


def test_a_replica_whose_parts_answer_is_well(replica: Callable[..., Any], answering: Any) -> None:
    answering.status, answering.body = 200, b'{"jobs": [], "next": null}'
    watch = replica(answering.url).resources.watch

    told = watch.health.check(WITHIN)

    assert told["ok"], told
    assert list(parts(told)) == ["Redis", "breakers", "IonQ"]
    (ionq,) = parts(told)["IonQ"]["pools"]
    assert (ionq["name"], ionq["size"], ionq["acquisitions"]) == ("IonQ", 1, 1)
    assert answering.asked == ["GET /v0.4/jobs"]
    assert [pool.name for pool in watch.pools()] == ["Redis", "IonQ"]


def test_a_key_that_ionq_does_not_accept_is_told_and_never_shown(
    replica: Callable[..., Any], answering: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answering.status, answering.body = 401, json.dumps({"message": f"No such key: {KEY}"}).encode()

    told = replica(answering.url).resources.watch.health.check(WITHIN)

    assert parts(told)["IonQ"]["state"] == "down"
    assert parts(told)["IonQ"]["error"] == "IonQ does not accept the API key: 401: No such key: ***"
    assert KEY not in json.dumps(told)
    assert KEY not in caplog.text


def test_while_the_breaker_is_open_a_check_sends_nothing(replica: Callable[..., Any], answering: Any) -> None:
    health = replica(answering.url, failure_threshold=2).resources.watch.health
    for _ in range(2):
        assert parts(health.check(WITHIN))["IonQ"]["error"].startswith("IonQ answered 500")
    assert len(answering.asked) == 2

    told = health.check(WITHIN)

    assert len(answering.asked) == 2
    assert parts(told)["IonQ"]["state"] == "breaker open"
    assert parts(told)["breakers"]["error"] == "read is open"
    assert not told["ok"]


def test_metrics_name_breakers_by_what_they_break_and_nothing_secret(
    replica: Callable[..., Any], answering: Any
) -> None:
    port = free_port()
    watch = replica(answering.url, metrics_port=port).resources.watch
    watch.start()

    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).raise_for_status().text

    names = {line.split('"')[1] for line in page.splitlines() if line.startswith("qstore_breaker_state{")}
    assert names == {"read", *(f"submit:{name}" for name in BACKENDS)}
    assert KEY not in page
    watch.close()
