"""pgvector on a server that dies, hangs or is not there."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psutil
import psycopg
import pytest

from conditions import free_port, start_again, wait_until
from integration.vectors.on_pgvector.stores import LONG, Opener, admin, busy, filled, record, works
from qstore.errors import PoolTimeout, QstoreError, TransientError, VectorStoreUnavailableError
from qstore.sandbox.postgres import PostgresServer
from workers.vectors.address import address
from workers.vectors.pgvector_connection import Connection

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


@pytest.mark.parametrize("check", ["off", "ping", "query", "both"])
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
