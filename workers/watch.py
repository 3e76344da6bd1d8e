"""How a replica is watched, put together: its health check, and its metrics."""

from __future__ import annotations

from functools import partial

from qstore.circuits.targets import BACKENDS
from qstore.settings import Settings
from qstore.state.breaker import Breakers
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.slots import Slots
from qstore.state.vitals import Vitals
from workers.health import Health, Part, require_closed, secrets_of
from workers.ionq import IonQ
from workers.metrics import MetricsServer, ReplicaCollector
from workers.pool import PoolStats
from workers.pool_of_redis import stats_of_redis
from workers.vectors.store import VectorStore


class Watch:
    """Tells how a replica is, to whoever asks.

    Args:
        settings: All of them.
        connection: To Redis.
        keys: Key names.
        slots: Of the account.
        breakers: Of the account, and of the store.
        ionq: The session.
        store: The vector store; None for none.

    Attributes:
        health: The health check.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        keys: Keys,
        slots: Slots,
        breakers: Breakers,
        ionq: IonQ,
        store: VectorStore | None,
    ) -> None:
        watched = {"read": breakers.read} | {f"submit:{name}": breakers.submit(name) for name in BACKENDS}
        if store:
            watched[f"store:{store.name}"] = breakers.store(store.name)
        read = Vitals(connection, keys, slots, watched).read
        redis_pool = connection.client.connection_pool
        self._parts = [
            Part("Redis", read, lambda: [stats_of_redis(redis_pool)]),
            Part("breakers", partial(require_closed, read)),
            Part("IonQ", ionq.ping, lambda: [ionq.stats()], breakers.read),
        ]
        if store:
            self._parts.append(Part(store.name, store.ping, store.stats, breakers.store(store.name)))
        self.health = Health(self._parts, secrets_of(settings))
        self._server = MetricsServer(ReplicaCollector(self.pools, read), settings.metrics_host, settings.metrics_port)

    def pools(self) -> list[PoolStats]:
        """Every pool of the replica."""
        return [pool for part in self._parts for pool in part.pools()]

    def start(self) -> None:
        """Begin to serve metrics."""
        self._server.start()

    def close(self) -> None:
        """Tell nobody any more."""
        self._server.stop()
        self.health.close()
