"""What tests do with stores in pgvector: fill one, keep its connections busy, be somebody with few rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event

import numpy as np
import psycopg

from conditions import wait_until
from qstore.errors import TransientError
from qstore.sandbox.postgres import PostgresServer
from workers.vectors.address import address
from workers.vectors.pgvector import PgvectorCollection, PgvectorStore
from workers.vectors.pgvector_pool import PgvectorPool
from workers.vectors.store import Record

LONG = 30.0  # seconds

Opener = Callable[..., PgvectorStore]


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


def works(store: PgvectorStore) -> bool:
    try:
        store.ping()
    except TransientError:
        return False
    return True


def replica(store: PgvectorStore) -> PgvectorPool:
    assert store._replica
    return store._replica


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
