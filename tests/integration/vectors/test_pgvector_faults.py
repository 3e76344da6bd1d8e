"""pgvector when things go wrong: a server that dies, hangs or is full, and pools that are empty."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier, Event
from typing import Any

import numpy as np
import psutil
import psycopg
import pytest

from conditions import free_port, start_again, wait_until
from qstore.errors import (
    PoolClosed,
    PoolTimeout,
    QstoreError,
    TooManyRequests,
    TransientError,
    VectorStoreRefusedError,
    VectorStoreUnavailableError,
)
from qstore.sandbox.postgres import PostgresServer
from workers.vectors import pgvector_pool
from workers.vectors.address import address
from workers.vectors.pgvector import PgvectorCollection, PgvectorStore
from workers.vectors.pgvector_connection import Connection
from workers.vectors.pgvector_pool import PgvectorPool
from workers.vectors.store import Record

LONG = 30.0  # seconds
CHECKS = ["off", "ping", "query", "both"]

Opener = Callable[..., PgvectorStore]


@pytest.fixture
def opened(postgres: PostgresServer) -> Iterator[Opener]:
    """Opens stores that are closed in the end, on the server of the tests unless another URL is given."""
    with ExitStack() as stack:

        def open_store(url: str = "", replica_url: str = "", **options: Any) -> PgvectorStore:
            store = PgvectorStore(
                url or postgres.url, replica_url, **{"timeout": LONG, "pool_timeout": LONG, **options}
            )
            stack.callback(store.close)
            return store

        yield open_store


@pytest.fixture
def name() -> str:
    return f"test-{secrets.token_hex(8)}"


@contextmanager
def admin(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        yield connection


@contextmanager
def busy(store: PgvectorStore | PgvectorPool, connections: int = 1) -> Iterator[None]:
    """Have so many connections of a store, or of one of its pools, in use."""
    pool = store if isinstance(store, PgvectorPool) else store._primary
    all_in_use, over = Barrier(connections + 1), Event()

    def hold(_: object) -> None:
        all_in_use.wait(LONG)
        over.wait(LONG)

    with ThreadPoolExecutor(connections) as threads:
        held = [threads.submit(pool.run, hold) for _ in range(connections)]
        try:
            all_in_use.wait(LONG)
            yield
        finally:
            over.set()
    for each in held:
        each.result()


def record(id_: str, value: float = 1.0) -> Record:
    return Record(id_, np.full(3, value, np.float32), {"id": id_})


def filled(store: PgvectorStore, name: str) -> PgvectorCollection:
    collection = store.collection(name, 3, "l2")
    collection.upsert([record("a")])
    return collection


# -- a server that dies -------------------------------------------------------------------------------------


def test_what_was_written_outlives_a_server_that_is_killed_under_traffic(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    # the sandbox's PostgreSQL does not wait for its log to be written, unless a session asks
    store = opened(f"{postgres.url}?options=-c%20synchronous_commit%3Don", timeout=5.0, pool_timeout=1.0)
    filled(opened(), name)
    collection = store.existing(name)
    written: list[str] = []
    failures: list[QstoreError] = []
    over = Event()

    def write(writer: int) -> None:
        for number in range(sys.maxsize):
            if over.is_set():
                return
            try:
                collection.upsert([record(f"{writer}-{number}-{part}") for part in range(3)])
                written.extend(f"{writer}-{number}-{part}" for part in range(3))
            except TransientError as error:
                failures.append(error)

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(write, writer) for writer in range(4)]
        try:
            wait_until(lambda: len(written) > 300)
            postgres.kill()
            wait_until(lambda: failures)
            start_again(postgres)
            before = len(written)
            wait_until(lambda: len(written) > before + 300)
        finally:
            over.set()
    for writer in writers:
        writer.result()

    assert set(collection.fetch(written)) == set(written)
    assert {type(error) for error in failures} <= {VectorStoreUnavailableError, PoolTimeout}


@pytest.mark.parametrize("check", CHECKS)
def test_connections_that_the_server_closed_are_noticed_by_no_caller(
    postgres: PostgresServer, opened: Opener, name: str, check: str
) -> None:
    store = opened(f"{postgres.url}?application_name={name}", check=check, max_size=4)
    collection = filled(store, name)
    with busy(store, 4):
        pass
    with admin(postgres) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s", (name,)
        ).fetchall()
    assert ended == [(True,)] * 4

    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(collection.upsert, [record(str(number))]) for number in range(8)]:
            each.result()
    assert set(collection.fetch([str(number) for number in range(8)])) == {str(number) for number in range(8)}
    assert time.monotonic() - began < LONG
    [stats] = store.stats()
    assert (stats.closed["check"] > 0, stats.closed["errors"] > 0) == (check != "off", check == "off")
    assert sum(stats.closed.values()) == 4
    assert stats.made == stats.size + 4


def test_a_connection_is_replaced_once_and_not_again_and_again(postgres: PostgresServer, opened: Opener) -> None:
    store = opened(check="off")
    tries = []

    def end_itself(connection: psycopg.Connection) -> None:
        tries.append(connection.info.backend_pid)
        with admin(postgres) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (connection.info.backend_pid,))
        connection.execute("SELECT 1")

    with pytest.raises(VectorStoreUnavailableError, match="terminating connection"):
        store._primary.run(end_itself)
    assert len(set(tries)) == len(tries) == 2


def test_those_that_were_made_since_are_not_replaced_for_an_old_one_s_sake(opened: Opener) -> None:
    store = opened()
    old = store._primary.run(lambda connection: connection)
    for _ in range(2):
        store._primary._renew(old, psycopg.OperationalError("it is gone"))
        wait_until(lambda: store.stats()[0].idle == 1)

    assert store.stats()[0].closed["drain"] == 1
    assert store.stats()[0].made == 2


def test_a_server_that_is_not_there_is_told_of_with_the_reason(opened: Opener, name: str) -> None:
    store = opened(address(host="127.0.0.1", port=free_port(), user="qstore"), pool_timeout=0.5)

    with pytest.raises(VectorStoreUnavailableError, match=r"(?i)connection refused"):
        filled(store, name)


# -- a server that is slow ----------------------------------------------------------------------------------


def test_a_lock_that_somebody_holds_is_waited_for_until_the_deadline(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    filled(opened(), name)
    store = opened(timeout=0.5)
    wait_until(lambda: works(store))
    collection = store.existing(name)

    with admin(postgres) as connection, connection.transaction():
        connection.execute(f'LOCK TABLE "qstore_{name}"'.encode())
        with pytest.raises(VectorStoreUnavailableError, match="statement timeout"):
            collection.upsert([record("b")])
        with pytest.raises(VectorStoreUnavailableError, match="statement timeout"):
            collection.fetch(["a"])

    assert set(collection.fetch(["a", "b"])) == {"a"}
    assert store.stats()[0].made == 1  # the deadline was the server's, and cost no connection


def test_many_statements_together_have_one_deadline(opened: Opener) -> None:
    store = opened(timeout=0.3)
    wait_until(lambda: works(store))
    before = store.stats()[0].timeouts

    def sleep(connection: psycopg.Connection) -> None:
        for _ in range(1000):
            connection.execute("SELECT pg_sleep(0.1)")

    with pytest.raises(VectorStoreUnavailableError, match="in time"):
        store._primary.run(sleep)
    assert store.stats()[0].timeouts == before  # there was no time for a second try


def test_a_deadline_is_over_with_what_it_was_for(opened: Opener) -> None:
    def ask(connection: Connection) -> bool:
        with connection.until(time.monotonic() - LONG):
            pass
        connection.execute("SELECT pg_sleep(0.2)")
        return connection.ready

    assert opened()._primary.run(ask)


@pytest.mark.parametrize("check", ["off", "ping"])
def test_a_frozen_server_is_waited_for_until_the_deadline(
    postgres: PostgresServer, opened: Opener, name: str, check: str
) -> None:
    store = opened(check=check)
    collection = filled(store, name)
    store._primary._timeout, store._primary._pool_timeout = 0.2, 0.5
    server = psutil.Process(postgres.pid)
    family = [server, *server.children(recursive=True)]
    began = time.monotonic()
    try:
        for process in family:
            process.suspend()
        for _ in range(2):  # with the connection that was there, and without
            with pytest.raises(VectorStoreUnavailableError):
                collection.fetch(["a"])
        assert time.monotonic() - began < 10
    finally:
        for process in family:
            process.resume()

    store._primary._timeout = LONG
    wait_until(lambda: works(store))
    assert set(collection.fetch(["a"])) == {"a"}


def works(store: PgvectorStore) -> bool:
    try:
        store.ping()
    except TransientError:
        return False
    return True


# -- a pool that is empty -----------------------------------------------------------------------------------


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


def replica(store: PgvectorStore) -> PgvectorPool:
    assert store._replica
    return store._replica


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


# -- a server that does not let us --------------------------------------------------------------------------


@contextmanager
def role(connection: psycopg.Connection, name: str, database: str = "postgres") -> Iterator[str]:
    """The URL of a role that may do nothing but connect."""
    connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'pass word'".encode())
    info = connection.info
    try:
        yield address(host=info.host, port=info.port, user=name, password="pass word", database=database)
    finally:
        wait_until(
            lambda: not connection.execute("SELECT 1 FROM pg_stat_activity WHERE usename = %s", (name,)).fetchall()
        )
        connection.execute(f'DROP ROLE "{name}"'.encode())


@contextmanager
def database(connection: psycopg.Connection, name: str) -> Iterator[str]:
    connection.execute(f'CREATE DATABASE "{name}"'.encode())
    info = connection.info
    try:
        yield address(host=info.host, port=info.port, user=info.user, password=info.password, database=name)
    finally:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_replicas_that_make_the_extension_and_a_collection_at_once_all_find_it(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    start = Barrier(16)

    def write(url: str, number: int) -> None:
        store = opened(url)
        start.wait(LONG)
        store.ping()
        start.wait(LONG)
        store.collection(name, 3, "l2").upsert([record(str(number))])

    with admin(postgres) as connection, database(connection, name) as url:
        with ThreadPoolExecutor(16) as threads:
            for each in [threads.submit(write, url, number) for number in range(16)]:
                each.result()
        assert len(opened(url).existing(name).query([1, 1, 1], 20)) == 16


def test_a_connection_that_fails_its_check_is_replaced_even_if_it_is_not_broken(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    with admin(postgres) as connection, database(connection, name) as url:
        store = opened(url, max_size=1, check="query")
        store.ping()
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("DROP EXTENSION vector")

        store.ping()  # a new connection makes it again

        [stats] = store.stats()
        assert (stats.size, stats.made, stats.closed["check"], sum(stats.closed.values())) == (1, 2, 1, 1)


def test_a_missing_extension_that_may_not_be_made_is_told_of_with_the_remedy(
    postgres: PostgresServer, opened: Opener, name: str
) -> None:
    with admin(postgres) as connection, database(connection, name), role(connection, name, name) as url:
        store = opened(url)

        with pytest.raises(VectorStoreRefusedError, match=r"permission denied.*superuser run CREATE EXTENSION vector"):
            store.ping()
        store.close()


def test_a_role_that_may_not_is_refused(postgres: PostgresServer, opened: Opener, name: str) -> None:
    filled(opened(), name)
    with admin(postgres) as connection, role(connection, name) as url:
        store = opened(url)

        with pytest.raises(VectorStoreRefusedError, match="permission denied"):
            store.collection(name, 3, "l2").upsert([record("b")])
        with pytest.raises(VectorStoreRefusedError, match="permission denied"):
            store.collection(f"{name}-new", 3).query([1, 1, 1])
        store.close()


def test_a_table_of_somebody_else_s_is_left_alone(postgres: PostgresServer, opened: Opener, name: str) -> None:
    store = opened()
    store.ping()
    with admin(postgres) as connection:
        connection.execute(f'CREATE TABLE "qstore_{name}" (id text, vector vector(3))'.encode())
        connection.execute(f"COMMENT ON TABLE \"qstore_{name}\" IS 'mine'".encode())

        with pytest.raises(VectorStoreRefusedError, match="already exists"):
            store.collection(name, 3).upsert([record("a")])
        with pytest.raises(VectorStoreRefusedError, match="There is no collection"):
            store.existing(name)

        found = connection.execute("SELECT obj_description(to_regclass(%s))", (f'"qstore_{name}"',)).fetchone()
        assert found == ("mine",)


def test_a_table_that_was_dropped_is_made_again(postgres: PostgresServer, opened: Opener, name: str) -> None:
    collection = filled(opened(), name)
    with admin(postgres) as connection:
        connection.execute(f'DROP TABLE "qstore_{name}"'.encode())

    with pytest.raises(VectorStoreRefusedError, match="does not exist"):
        collection.fetch(["a"])
    assert collection.fetch(["a"]) == {}


# -- secrets, processes, ends -------------------------------------------------------------------------------


def test_the_password_is_in_no_message_no_log_and_no_repr(
    postgres: PostgresServer, opened: Opener, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    password = "pass word"
    caplog.set_level("DEBUG")
    said = []
    with admin(postgres) as connection, role(connection, name) as url:
        there = opened(url)
        nowhere = opened(url.replace(str(postgres.port), str(free_port())), pool_timeout=0.5)
        wrong = opened(url.replace(name, f"{name}-x"), pool_timeout=0.5)
        for store in (there, nowhere, wrong):
            with pytest.raises(QstoreError) as caught:
                filled(store, name)
            said += [traceback.format_exception(caught.value), repr(store), repr(store._primary), str(store.stats())]
        there.close()
    with pytest.raises(ValueError, match="cannot be read") as refused:
        PgvectorStore(f"postgresql://me:{password}@[::1:5432/x")
    said.append(traceback.format_exception(refused.value))

    assert "password authentication failed" in str(said)
    assert "permission denied" in str(said)
    for secret in (password, "pass%20word"):
        assert secret not in str(said)
        assert secret not in caplog.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(opened: Opener, name: str) -> None:
    store = opened()
    collection = filled(store, name)
    parents = store._primary.run(lambda connection: connection.info.backend_pid)

    child = os.fork()
    if child == 0:
        signal.alarm(int(LONG))
        try:
            assert store.stats()[0].made == 0
            assert set(collection.fetch(["a"])) == {"a"}
            assert len(store._primary._parents) == 1  # kept: at its end it would wait for the parent's threads
            assert store._primary.run(lambda connection: connection.info.backend_pid) != parents
            store.close()
        except BaseException:  # noqa: BLE001 - the status is all a child can say
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert store._primary.run(lambda connection: connection.info.backend_pid) == parents
