"""What a scrape tells, over stub pools and a stub of the shared state."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import fields

import httpx
import pytest
from prometheus_client import CollectorRegistry

from conditions import free_port
from qstore.errors import StoreUnavailableError
from qstore.state.vitals import Reading
from workers.metrics import COUNTERS, GAUGES, WAITS, MetricsServer, ReplicaCollector
from workers.pool import PoolStats

READING = Reading(waiting=31, in_flight=32, outbox=33, refused=34, breakers={"read": "half_open", "store:s": "closed"})


def pool(name: str, first: int) -> PoolStats:
    """One of which each number is another."""
    numbers = {field.name: first + place for place, field in enumerate(fields(PoolStats))}
    return PoolStats(**{**numbers, "name": name, "closed": {"idle": first + 100, "errors": 0}})  # type: ignore[arg-type]  # numbers of both kinds


POOLS = [pool("IonQ", 1000), pool("pgvector", 2000)]


def unreachable() -> Reading:
    raise StoreUnavailableError("away")


@pytest.fixture
def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(ReplicaCollector(lambda: POOLS, lambda: READING))
    return made


def test_every_field_of_a_pool_s_stats_has_a_metric() -> None:
    told = {*GAUGES, *COUNTERS, *WAITS, "idle", "in_use", "closed"}

    assert told == {field.name for field in fields(PoolStats)} - {"name"}


@pytest.mark.parametrize("stats", POOLS, ids=lambda stats: stats.name)
def test_each_metric_holds_the_number_of_its_field(registry: CollectorRegistry, stats: PoolStats) -> None:
    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"qstore_pool_{name}", {"pool": stats.name, **labels})

    for field in GAUGES:
        assert value(field) == getattr(stats, field)
    for field in COUNTERS:
        assert value(f"{field}_total") == getattr(stats, field)
    assert value("members", state="idle") == stats.idle
    assert value("members", state="in_use") == stats.in_use
    assert value("closed_total", reason="idle") == stats.closed["idle"]
    assert value("wait_seconds", quantile="0.5") == stats.wait_p50
    assert value("wait_seconds", quantile="0.95") == stats.wait_p95
    assert value("wait_seconds", quantile="0.99") == stats.wait_p99


def test_the_shared_state_is_told(registry: CollectorRegistry) -> None:
    names = ("waiting_jobs", "flight_jobs", "outbox_entries", "outbox_refused")

    assert [registry.get_sample_value(f"qstore_{name}") for name in names] == [31, 32, 33, 34]


def test_a_breaker_is_in_one_state(registry: CollectorRegistry) -> None:
    def states(breaker: str) -> dict[str, float | None]:
        return {
            state: registry.get_sample_value("qstore_breaker_state", {"breaker": breaker, "state": state})
            for state in ("closed", "open", "half_open")
        }

    assert states("read") == {"closed": 0, "open": 0, "half_open": 1}
    assert states("store:s") == {"closed": 1, "open": 0, "half_open": 0}


def test_without_redis_a_scrape_tells_of_the_pools(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    registry.register(ReplicaCollector(lambda: POOLS, unreachable))

    assert registry.get_sample_value("qstore_pool_size", {"pool": "IonQ"}) == POOLS[0].size
    assert registry.get_sample_value("qstore_waiting_jobs") is None
    assert "without the shared state" in caplog.text


def test_whoever_registers_it_reads_nothing_yet() -> None:
    def asked() -> Reading:
        raise AssertionError("read already")

    CollectorRegistry(auto_describe=True).register(ReplicaCollector(lambda: POOLS, asked))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int) -> Iterator[MetricsServer]:
    made = MetricsServer(ReplicaCollector(lambda: POOLS, lambda: READING), "127.0.0.1", port)
    yield made
    made.stop()


def test_metrics_are_served_until_the_replica_stops(server: MetricsServer, port: int) -> None:
    server.start()
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).raise_for_status().text
    assert "qstore_outbox_entries 33.0" in page

    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)


def test_a_port_that_is_taken_is_one_line_in_the_log(
    server: MetricsServer, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", port)):
        server.start()

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"No metrics are served at 127.0.0.1:{port}" in record.getMessage()
    assert record.exc_info is None


def test_port_0_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.metrics.start_http_server", lambda *_: pytest.fail("served"))

    MetricsServer(ReplicaCollector(lambda: POOLS, lambda: READING), "127.0.0.1", 0).start()
