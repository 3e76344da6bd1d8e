"""pgvector's pool: empty, interrupted, forked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conditions import free_port, wait_until
from forked import in_child
from integration.vectors.on_pgvector.stores import LONG, Opener, admin, busy, filled, record, replica, role, works
from qstore.errors import PoolClosed, PoolTimeout, TooManyRequests, VectorStoreUnavailableError
from qstore.sandbox.postgres import PostgresServer
from workers.vectors import pgvector_pool
from workers.vectors.address import address


def test_without_a_free_connection_callers_are_turned_away(opened: Opener, name: str) -> None:
    store = opened(max_size=1, max_waiting=1)
    collection = filled(store, name)
    store._primary._pool_timeout = 0.2

    with ThreadPoolExecutor(1) as threads, busy(store):
        with pytest.raises(PoolTimeout, match="became free"):
            collection.fetch(["a"])
        store._primary._pool_timeout = LONG
        waiting = threads.submit(store.ping)
        wait_until(lambda: store.stats()[0].waiting == 1)
        with pytest.raises(TooManyRequests, match="1 threads wait"):
            collection.upsert([record("b")])
        [stats] = store.stats()
        assert (stats.in_use, stats.idle, stats.size) == (1, 0, 1)
    waiting.result()

    [stats] = store.stats()
    assert (stats.timeouts, stats.refused, stats.waiting) == (1, 1, 0)
    assert (stats.in_use, stats.idle, stats.size, stats.made) == (0, 1, 1, 1)
    assert stats.acquisitions == 3
    assert stats.wait_p99 > 0.19
    assert set(collection.fetch(["a", "b"])) == {"a"}


def test_reads_go_to_the_replica_while_there_is_no_connection_and_writes_never(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    replica_url = f"{postgres.url}?options=-c%20default_transaction_read_only%3Don"
    store = opened(replica_url=replica_url, max_size=1)
    collection = filled(store, name)
    assert [stats.name for stats in store.stats()] == ["pgvector", "pgvector-replica"]
    assert store.stats()[1].made == 0
    replica(store).run(lambda _: None)

    with busy(store):
        store._primary._pool_timeout = 1.0
        assert set(collection.fetch(["a"])) == {"a"}
        waited = store._primary._counts._tally.waits[-1]
        assert 0.49 < waited < 1.0  # half of the time: the other half is the replica's
        store._primary._pool_timeout = 0.2
        assert [match.record.id for match in collection.query([1, 1, 1])] == ["a"]
        assert store.existing(name).dimension == 3
        with pytest.raises(PoolTimeout):
            collection.upsert([record("b")])
        with pytest.raises(PoolTimeout):
            collection.delete(["a"])

        with busy(replica(store)):
            replica(store)._pool_timeout = 0.2
            with pytest.raises(PoolTimeout):
                collection.fetch(["a"])

    assert store.stats()[0].fell_back == 4
    assert (store.stats()[0].acquisitions, store.stats()[1].acquisitions) == (2, 5)
    with pytest.raises(VectorStoreUnavailableError, match="read-only"):
        opened(replica_url).collection(f"{name}-new", 3).upsert([record("a")])


def test_those_who_are_just_taking_a_connection_crowd_nobody_out(opened: Opener) -> None:
    store = opened(max_waiting=1)
    store.ping()

    with store._primary._counts.one_waiting():
        store.ping()


def test_as_long_as_somebody_waits_connecting_is_tried_again(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector_pool, "_RECONNECT", 0.01)
    store = opened(address(host="127.0.0.1", port=free_port(), user="qstore"))

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(store.ping)
        wait_until(lambda: store.stats()[0].failures > 10)
        store.close()
    with pytest.raises(PoolClosed):
        waiting.result()


def test_a_server_that_takes_no_more_connections_is_unavailable(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    with admin(postgres) as connection, role(connection, name) as url:
        connection.execute(f'ALTER ROLE "{name}" CONNECTION LIMIT 1'.encode())
        one, other = opened(url), opened(url, max_size=1, pool_timeout=0.5)
        one.ping()

        with pytest.raises(VectorStoreUnavailableError, match="too many connections"):
            other.ping()
        one.close()
        wait_until(lambda: works(other))
        with busy(other), pytest.raises(PoolTimeout):  # what was wrong is over
            other.ping()
        other.close()

    [stats] = other.stats()
    assert stats.failures > 0
    assert (stats.made, sum(stats.closed.values())) == (1, 1)


def test_a_connection_left_in_the_middle_of_something_is_closed(opened: Opener) -> None:
    store = opened(max_size=1)

    def leave(connection: psycopg.Connection) -> None:
        connection.pgconn.send_query(b"SELECT pg_sleep(1000)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._primary.run(leave)
    store.ping()

    [stats] = store.stats()
    assert (stats.size, stats.made, stats.closed["errors"], sum(stats.closed.values())) == (1, 2, 1, 1)


def test_an_interrupt_while_a_connection_is_tried_loses_no_connection(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(max_size=1)
    store.ping()
    with monkeypatch.context() as patch:
        patch.setattr(store._primary, "_try", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.ping()

    store.ping()
    assert store.stats()[0].idle == store.stats()[0].made == 1


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(opened: Opener, name: str) -> None:
    store = opened()
    collection = filled(store, name)
    parents = store._primary.run(lambda connection: connection.info.backend_pid)

    def child() -> None:
        assert store.stats()[0].made == 0
        assert set(collection.fetch(["a"])) == {"a"}
        assert len(store._primary._parents) == 1  # kept: at its end it would wait for the parent's threads
        assert store._primary.run(lambda connection: connection.info.backend_pid) != parents
        store.close()

    in_child(child)
    assert store._primary.run(lambda connection: connection.info.backend_pid) == parents
