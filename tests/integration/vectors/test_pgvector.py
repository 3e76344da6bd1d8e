"""pgvector keeps the contract, and what only pgvector has: its index, its tables, its connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import numpy as np
import psycopg
import pytest

from conditions import wait_until
from exact_store import ExactStore
from qstore.errors import PoolClosed
from qstore.sandbox.postgres import PostgresServer
from vectors_contract import VectorStoreContract, ids_of, vectors
from workers.pool.stats import Reason
from workers.vectors import pgvector
from workers.vectors.pgvector import PgvectorStore, _rows
from workers.vectors.store import Record

LONG = 30.0  # seconds
# the planner's own choice for so few rows would be to look at all of them
BY_INDEX = "-c enable_seqscan=off -c enable_bitmapscan=off"


@pytest.fixture(scope="module")
def store(postgres: PostgresServer) -> Iterator[PgvectorStore]:
    yield from opened(postgres.url)


def opened(url: str, **options: Any) -> Iterator[PgvectorStore]:
    store = PgvectorStore(url, **{"timeout": LONG, "pool_timeout": LONG, **options})
    yield store
    store.close()


class TestPgvector(VectorStoreContract):
    """With no more than the fixture above."""


# -- the index ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def indexed(postgres: PostgresServer) -> Iterator[PgvectorStore]:
    """A store that uses its index of vectors wherever it can, and gives up early there."""
    yield from opened(f"{postgres.url}?options={quote(f'{BY_INDEX} -c hnsw.max_scan_tuples=1 -c hnsw.ef_search=20')}")


@pytest.fixture(scope="module")
def crowd() -> list[Record]:
    """Many records on a line, of which the few that are rare are the farthest."""
    return [Record(f"r{i:04}", np.array([i, 1], np.float32), {"rare": i > 1995}) for i in range(1, 2001)]


@pytest.fixture(scope="module")
def crowded(indexed: PgvectorStore, crowd: list[Record]) -> str:
    indexed.collection("crowded", 2, "l2").upsert(crowd)
    return "crowded"


def test_a_query_uses_the_index(indexed: PgvectorStore, crowded: str) -> None:
    plan = f"EXPLAIN SELECT id FROM qstore_{crowded} ORDER BY vector <-> '[0,1]' LIMIT 10"

    found = indexed._primary.run(lambda connection: connection.execute(plan.encode()).fetchall())

    assert "qstore_crowded_vector" in str(found)


def test_where_the_index_gives_up_early_the_answer_is_still_full(indexed: PgvectorStore, crowded: str) -> None:
    collection = indexed.existing(crowded)

    assert ids_of(collection.query([0, 1], 3, {"rare": True})) == ["r1996", "r1997", "r1998"]


@pytest.mark.parametrize("top_k", [15, 100, 101, 1000])
def test_so_many_matches_as_are_asked_for_come_in_their_order(
    indexed: PgvectorStore, crowded: str, crowd: list[Record], top_k: int
) -> None:
    exact = ExactStore().collection("exact", 2, "l2")
    exact.upsert(crowd)

    assert ids_of(indexed.existing(crowded).query([0, 1], top_k)) == ids_of(exact.query([0, 1], top_k))
    assert settings(indexed)["hnsw.ef_search"] == "20"  # it was the query's own


@pytest.mark.parametrize(("top_k", "candidates"), [(100, "20"), (101, "101"), (1000, "1000")])
def test_the_index_is_asked_for_no_fewer_candidates_than_matches(
    indexed: PgvectorStore, crowded: str, monkeypatch: pytest.MonkeyPatch, top_k: int, candidates: str
) -> None:
    seen = []

    def ask(connection: psycopg.Connection, *arguments: Any) -> list[Any]:
        seen.append(connection.execute("SELECT current_setting('hnsw.ef_search')").fetchone())
        return _rows(connection, *arguments)  # type: ignore[arg-type]  # the store's own kind of connection

    monkeypatch.setattr(pgvector, "_rows", ask)
    indexed.existing(crowded).query([0, 1], top_k)

    assert seen[0] == (candidates,)


def test_writers_of_the_same_records_do_not_wait_for_each_other_in_a_circle(store: PgvectorStore, name: str) -> None:
    collection = store.collection(name, 3, "l2")
    records = [Record(f"r{i}", vector) for i, vector in enumerate(vectors(150, 3))]
    start = threading.Barrier(2)

    def write(turned: list[Record]) -> None:
        for _ in range(5):
            start.wait(LONG)
            collection.upsert(turned)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(write, turned) for turned in (records, records[::-1])]:
            each.result()


def test_the_index_looks_on_until_a_filter_is_satisfied(store: PgvectorStore) -> None:
    assert settings(store)["hnsw.iterative_scan"] == "strict_order"
    assert settings(store)["hnsw.ef_search"] == "100"
    assert settings(store)["plan_cache_mode"] == "force_custom_plan"


@pytest.mark.parametrize("metric", ["cosine", "l2", "inner_product"])
def test_each_metric_has_its_index(store: PgvectorStore, name: str, metric: Any) -> None:
    store.collection(name, 3, metric).ping()

    [(by_label,), (by_vector,)] = store._primary.run(
        lambda connection: connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexdef !~ 'UNIQUE' ORDER BY indexname",
            (f"qstore_{name}",),
        ).fetchall()
    )

    operators = {"cosine": "vector_cosine_ops", "l2": "vector_l2_ops", "inner_product": "vector_ip_ops"}
    assert f"USING hnsw (vector {operators[metric]})" in by_vector
    assert "USING gin (labels jsonb_path_ops)" in by_label


def test_vectors_are_as_long_as_an_index_takes(store: PgvectorStore, name: str) -> None:
    """And as many as there are, in several transactions."""
    collection = store.collection(name, 2000, "l2")
    records = [Record(str(i), vector) for i, vector in enumerate(vectors(140, 2000))]

    collection.upsert(records)

    assert [len(chunk) for chunk in collection._chunks([None] * 140)] == [65, 65, 10]  # type: ignore[list-item]  # any rows
    assert len(collection.fetch([record.id for record in records])) == 140
    with pytest.raises(ValueError, match="1 to 2000"):
        store.collection(name, 2001)


@pytest.mark.parametrize(("count", "copies"), [(19, 0), (20, 1)])
def test_many_records_are_copied(
    store: PgvectorStore, name: str, monkeypatch: pytest.MonkeyPatch, count: int, copies: int
) -> None:
    seen = []
    copy = psycopg.Cursor.copy

    def watched(cursor: psycopg.Cursor, *arguments: Any) -> Any:
        seen.append(cursor)
        return copy(cursor, *arguments)

    monkeypatch.setattr(psycopg.Cursor, "copy", watched)
    monkeypatch.setattr(pgvector, "_COPY_FROM", 20)
    collection = store.collection(name, 2)
    records = [Record(f"r{i}", vector, {"i": i, "ħ": [1e300, None]}) for i, vector in enumerate(vectors(count, 2))]
    collection.upsert(records)
    collection.upsert(records)

    assert len(seen) == 2 * copies
    found = collection.fetch([record.id for record in records])
    assert all(np.array_equal(found[record.id].vector, record.vector) for record in records)
    assert all(found[record.id].payload == record.payload for record in records)
    assert ids_of(collection.query([1, 1], 10, {"i": 7})) == ["r7"]


# -- the connections ----------------------------------------------------------------------------------------


def settings(store: PgvectorStore) -> dict[str, str]:
    def ask(connection: psycopg.Connection) -> dict[str, str]:
        connection.execute("SELECT '[1]'::vector <-> '[1]'::vector")  # which loads pgvector and its settings
        return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())

    return store._primary.run(ask)


def test_deadlines_are_postgresqls_and_the_networks_too(postgres: PostgresServer) -> None:
    options = quote("-c work_mem=5MB -c statement_timeout=0 -c hnsw.ef_search=7")
    store = once(f"{postgres.url}?options={options}&keepalives_idle=77", timeout=1.5)

    found = settings(store)
    known = store._primary.run(lambda connection: connection.info.get_parameters())

    assert (found["statement_timeout"], found["work_mem"], found["hnsw.ef_search"]) == ("1500", "5120", "7")
    assert found["application_name"] == "qstore"
    assert (known["tcp_user_timeout"], known["connect_timeout"]) == ("1500", "2")
    assert (known["keepalives_idle"], known["keepalives_interval"], known["keepalives_count"]) == ("77", "1", "3")
    store.close()


def once(url: str, **options: Any) -> PgvectorStore:
    return PgvectorStore(url, **{"timeout": LONG, "pool_timeout": LONG, **options})


def test_nothing_is_opened_before_it_is_used_and_all_is_closed_in_the_end(postgres: PostgresServer, name: str) -> None:
    before = set(threading.enumerate())
    url = f"{postgres.url}?application_name={name}"
    store = once(url, replica_url=url, min_size=2, max_size=3)
    collection = store.collection(name, 3)
    assert set(threading.enumerate()) == before
    assert [(stats.size, stats.min_size, stats.max_size) for stats in store.stats()] == [(0, 2, 3)] * 2

    collection.ping()
    wait_until(lambda: store.stats()[0].idle == store.stats()[0].size >= 2)
    assert store.stats()[1].made == 0
    store.close()

    assert set(threading.enumerate()) == before
    assert store.stats()[0].closed["close"] == store.stats()[0].made
    with pytest.raises(PoolClosed):
        collection.ping()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        left = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"
        wait_until(lambda: not connection.execute(left, (name,)).fetchall())


def test_a_store_that_was_never_used_is_closed_too(postgres: PostgresServer) -> None:
    store = once(postgres.url)

    store.close()

    with pytest.raises(PoolClosed):
        store.ping()


@pytest.mark.parametrize(("limit", "reason"), [("max_lifetime", "lifetime"), ("max_idle", "idle")])
def test_connections_end_with_age_and_idleness_and_are_counted(
    postgres: PostgresServer, limit: str, reason: Reason
) -> None:
    store = once(postgres.url, **{limit: 0.1})

    def closed() -> bool:
        if reason == "lifetime":  # which is looked at when a connection comes back
            store.ping()
        return store.stats()[0].closed[reason] > 0

    store.ping()
    wait_until(closed)
    wait_until(lambda: store.stats()[0].made == store.stats()[0].size + sum(store.stats()[0].closed.values()))
    store.close()


@pytest.mark.parametrize("sizes", [{"min_size": 5, "max_size": 4}, {"min_size": -1}, {"max_size": 0}], ids=str)
def test_sizes_that_contradict_each_other_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="size"):
        PgvectorStore("postgresql://127.0.0.1/", **sizes)
