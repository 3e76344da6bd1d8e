"""pgvector with few rights, with wrong passwords, and among tables of others."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from conditions import free_port
from integration.vectors.on_pgvector.stores import LONG, Opener, admin, database, filled, record, role
from qstore.errors import QstoreError, VectorStoreRefusedError
from qstore.sandbox.postgres import PostgresServer
from workers.vectors.pgvector import PgvectorStore


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
