"""Every metric of a replica, read from what counts anyway at the moment somebody asks.

| metric | labels | |
|---|---|---|
| `qstore_pool_members` | pool, state | members `idle` and `in_use` |
| `qstore_pool_wait_seconds` | pool, quantile | of the last waits: `0.5`, `0.95`, `0.99` were no longer |
| `qstore_pool_closed_total` | pool, reason | members closed |
| `qstore_pool_<field>`, `qstore_pool_<field>_total` | pool | the rest of `PoolStats`: see `GAUGES`, `COUNTERS` |
| `qstore_waiting_jobs` | | jobs that wait for counts, of all replicas |
| `qstore_flight_jobs` | | IonQ jobs under way, of all replicas |
| `qstore_outbox_entries` | | executions that are not archived yet |
| `qstore_outbox_refused` | | executions that the archive does not take |
| `qstore_breaker_state` | breaker, state | 1 for the state that it is in, else 0 |

What is below the pools is shared, so all replicas tell the same. While Redis is away it is left out.

Invariant: a scrape costs one trip to Redis and sends nothing anywhere else; no label holds a job id or a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from qstore.errors import StoreUnavailableError
from qstore.state.vitals import Reading
from workers.pool import PoolStats

logger = logging.getLogger(__name__)

GAUGES = {
    "size": "members there are",
    "waiting": "threads that wait for a member",
    "min_size": "members kept, however long unused",
    "max_size": "members at most, but for a rush",
    "max_overflow": "members beyond max_size at most",
    "overflow": "members beyond max_size there are",
    "kept": "members kept at present, however long unused",
}
"""Fields of `PoolStats` that go up and down, and what each says."""

COUNTERS = {
    "acquisitions": "times a thread got a member",
    "waited": "times it had to wait for it",
    "timeouts": "times a thread waited in vain",
    "refused": "times a thread was turned away because too many waited",
    "made": "members made",
    "failures": "times a member could not be made",
    "leaked": "times a member was out for too long",
    "fell_back": "times the other pool was asked",
}
"""Fields of `PoolStats` that only grow, and what each says."""

WAITS = {"wait_p50": "0.5", "wait_p95": "0.95", "wait_p99": "0.99"}
"""Fields of `PoolStats` that are seconds, and the quantile that each is."""

_MEMBERS = ("idle", "in_use")
_STATES = ("closed", "open", "half_open")


class ReplicaCollector(Collector):
    """What prometheus-client asks at every scrape.

    Args:
        pools: Every pool of the replica.
        shared: Reads the shared state.
    """

    def __init__(self, pools: Callable[[], Sequence[PoolStats]], shared: Callable[[], Reading]) -> None:
        self._pools = pools
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        """All there is to tell."""
        yield from _of_pools(self._pools())
        try:
            reading = self._shared()
        except StoreUnavailableError as error:
            logger.warning("A scrape goes without the shared state: %s", error)
            return
        yield from _of_shared_state(reading)

    def describe(self) -> Iterator[Metric]:
        """Nothing: whoever registers this must not cause a trip to Redis."""
        return iter(())


def _of_pools(pools: Sequence[PoolStats]) -> Iterator[Metric]:
    members = GaugeMetricFamily("qstore_pool_members", "Members by what they do.", labels=["pool", "state"])
    waits = GaugeMetricFamily("qstore_pool_wait_seconds", "The last waits.", labels=["pool", "quantile"])
    closed = CounterMetricFamily("qstore_pool_closed", "Members closed.", labels=["pool", "reason"])
    for pool in pools:
        for state in _MEMBERS:
            members.add_metric([pool.name, state], getattr(pool, state))
        for field, quantile in WAITS.items():
            waits.add_metric([pool.name, quantile], getattr(pool, field))
        for reason, count in pool.closed.items():
            closed.add_metric([pool.name, reason], count)
    yield from (members, waits, closed)
    for family, fields in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
        for field, says in fields.items():
            metric = family(f"qstore_pool_{field}", f"{says[0].upper()}{says[1:]}.", labels=["pool"])
            for pool in pools:
                metric.add_metric([pool.name], getattr(pool, field))
            yield metric


def _of_shared_state(reading: Reading) -> Iterator[Metric]:
    yield GaugeMetricFamily("qstore_waiting_jobs", "Jobs that wait for counts.", reading.waiting)
    yield GaugeMetricFamily("qstore_flight_jobs", "IonQ jobs under way.", reading.in_flight)
    yield GaugeMetricFamily("qstore_outbox_entries", "Executions not archived yet.", reading.outbox)
    yield GaugeMetricFamily("qstore_outbox_refused", "Executions the archive does not take.", reading.refused)
    breakers = GaugeMetricFamily("qstore_breaker_state", "1 for the state it is in.", labels=["breaker", "state"])
    for name, current in reading.breakers.items():
        for state in _STATES:
            breakers.add_metric([name, state], state == current)
    yield breakers


class MetricsServer:
    """Serves metrics over HTTP, in threads of its own.

    Args:
        collector: Tells them.
        host: Where to listen.
        port: Under which TCP port; 0: nowhere.
    """

    def __init__(self, collector: Collector, host: str, port: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._host = host
        self._port = port
        self._running: tuple[WSGIServer, Thread] | None = None

    def start(self) -> None:
        """Begin to serve; a replica whose port is taken works as well, and says so."""
        if not self._port:
            return
        try:
            self._running = start_http_server(self._port, self._host, self._registry)
        except OSError as error:
            logger.error("No metrics are served at %s:%s: %s", self._host, self._port, error)  # noqa: TRY400 - its words say all

    def stop(self) -> None:
        """Serve no more, and free the port."""
        running, self._running = self._running, None
        if running is not None:
            server, thread = running
            server.shutdown()
            server.server_close()
            thread.join()
