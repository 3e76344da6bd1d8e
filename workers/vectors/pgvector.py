"""Vectors in PostgreSQL, by its extension pgvector.

Invariant: a call is one statement, or one transaction for each so many records; any of them may be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from numpy.typing import ArrayLike
from pgvector import Vector as Wire
from psycopg import sql
from psycopg.errors import UndefinedTable
from psycopg.types.json import Json, Jsonb

from qstore.errors import VectorStoreRefusedError
from workers.pool import PoolStats
from workers.vectors import accept, pgvector_table
from workers.vectors.pgvector_connection import Connection
from workers.vectors.pgvector_extension import LOOK
from workers.vectors.pgvector_pool import Check, PgvectorPool
from workers.vectors.store import Filter, Match, Metric, Record

R = TypeVar("R")
Row = tuple[str, Wire, Json, Jsonb]

_CHUNK: Final = 2000  # records written in one transaction at most
_CHUNK_NUMBERS: Final = 2**17  # components of their vectors at most: indexing them has to fit into one deadline
_COPY_FROM: Final = 1000  # records from which on COPY into a temporary table is faster than one statement
_EF_SEARCH: Final = 100  # candidates of the index, as connections are told at their beginning

_OVERWRITE: Final = sql.SQL(
    "ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, payload = excluded.payload, labels = excluded.labels"
)


class PgvectorCollection:
    """A collection in a table of its own, see `VectorStore.collection`."""

    def __init__(
        self, name: str, dimension: int, metric: Metric, primary: PgvectorPool, replica: PgvectorPool | None
    ) -> None:
        self.name = name
        self.dimension = dimension
        self.metric = metric
        self._primary = primary
        self._replica = replica
        self._table = pgvector_table.table(name)
        self._there = False

    def upsert(self, records: Sequence[Record]) -> None:
        """See `Collection.upsert`; so many records at a time, all of them or none, each time with a deadline anew."""
        vectors = accept.records(records, self.dimension)
        labels = {record.id: accept.labels(record.payload) for record in records}
        # in one order everywhere, so that no two writers wait for each other
        rows = [(id_, Wire(vectors[id_][0]), Json(vectors[id_][1], str), Jsonb(labels[id_])) for id_ in sorted(vectors)]
        for chunk in self._chunks(rows):
            self._write(partial(self._insert, rows=chunk))

    def query(self, vector: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> list[Match]:  # noqa: A002 - the protocol's word
        """See `Collection.query`."""
        wanted = accept.asked(top_k, filter)
        values = {"vector": Wire(accept.vector(vector, self.dimension)), "wanted": Jsonb(wanted), "top_k": top_k}
        rows = self._read(lambda connection: self._nearest(connection, values))
        return [
            Match(Record(id_, wire.to_numpy(), payload), pgvector_table.score(self.metric, far))
            for id_, wire, payload, far in rows
        ]

    def fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        """See `Collection.fetch`."""
        wanted = accept.ids(ids)
        if not wanted:
            return {}
        statement = sql.SQL("SELECT id, vector, payload FROM {} WHERE id = ANY(%b)").format(self._table)
        rows = self._read(lambda connection: _rows(connection, statement, (wanted,)))
        return {id_: Record(id_, wire.to_numpy(), payload) for id_, wire, payload in rows}

    def delete(self, ids: Sequence[str]) -> None:
        """See `Collection.delete`."""
        if unwanted := accept.ids(ids):
            statement = sql.SQL("DELETE FROM {} WHERE id = ANY(%b)").format(self._table)
            self._write(lambda connection: connection.execute(statement, (unwanted,)))

    def ping(self) -> None:
        """See `Collection.ping`."""
        self._there = False
        self._primary.run(self._settle)

    def _write(self, work: Callable[[Connection], R]) -> R:
        return self._primary.run(lambda connection: self._in_place(connection, work))

    def _read(self, work: Callable[[Connection], R]) -> R:
        return self._primary.run(lambda connection: self._in_place(connection, work), self._replica)

    def _in_place(self, connection: Connection, work: Callable[[Connection], R]) -> R:
        if not self._there:
            self._settle(connection)
        try:
            return work(connection)
        except UndefinedTable:
            self._there = False  # somebody dropped it; the next call makes it again
            raise

    def _settle(self, connection: Connection) -> None:
        """Make sure that the table is there, as this collection has it."""
        found = pgvector_table.look(connection, self.name)
        if found is None:
            pgvector_table.make(connection, self.name, self.dimension, self.metric)
            found = pgvector_table.look(connection, self.name)
        if found != (self.dimension, self.metric):
            dimension, metric = found or (0, "nothing")
            raise VectorStoreRefusedError(
                f"The collection {self.name!r} is there with {dimension} dimensions, compared by {metric}."
            )
        self._there = True

    def _chunks(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        size = max(1, min(_CHUNK, _CHUNK_NUMBERS // self.dimension))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _nearest(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        distance = sql.SQL("vector {} %(vector)b").format(pgvector_table.distance(self.metric))
        where = sql.SQL("WHERE labels @> %(wanted)b" if values["wanted"].obj else "")

        def select(order: sql.Composable) -> list[Any]:
            statement = sql.SQL("SELECT id, vector, payload, {} FROM {} {} ORDER BY {} LIMIT %(top_k)b")
            return _rows(connection, statement.format(distance, self._table, where, order), values)

        if values["top_k"] <= _EF_SEARCH:
            rows = select(distance)
        else:
            with connection.transaction():
                connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (str(values["top_k"]),))
                rows = select(distance)
        if len(rows) < values["top_k"]:  # as many as there are, or the index gave up early
            rows = select(sql.SQL("0 + ({})").format(distance))  # in this order no index has them
        return rows

    def _insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        if len(rows) < _COPY_FROM:
            arrays = sql.SQL(
                "INSERT INTO {} SELECT * FROM unnest(%b::text[], %b::vector[], %b::json[], %b::jsonb[]) {}"
            )
            connection.execute(
                arrays.format(self._table, _OVERWRITE), [list(column) for column in zip(*rows, strict=True)]
            )
            return
        with connection.transaction():
            connection.execute(
                "CREATE TEMPORARY TABLE incoming (id text, vector vector, payload json, labels jsonb) ON COMMIT DROP"
            )
            with connection.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["text", "vector", "json", "jsonb"])
                for row in rows:
                    copy.write_row(row)
            connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM incoming {}").format(self._table, _OVERWRITE))


class PgvectorStore:
    """PostgreSQL as a vector store.

    Args:
        url: Of PostgreSQL; what it leaves out, libpq finds in PGHOST, PGUSER, PGPASSWORD and so on.
        replica_url: Of a replica that reads go to while no connection can be had; empty: none.
        timeout: Seconds to connect, and to wait for an answer.
        min_size: Connections kept, however long unused.
        max_size: Connections at most, to each of the two.
        pool_timeout: Seconds to wait for a free connection.
        max_waiting: Threads that may wait for one; 0: any number.
        max_lifetime: Seconds after which a connection is replaced.
        max_idle: Seconds after which an unused one is closed.
        check: How one is tried before it is lent.

    Raises:
        ValueError: A URL cannot be read, or the sizes contradict each other.
    """

    name = "pgvector"

    def __init__(
        self,
        url: str,
        replica_url: str = "",
        *,
        timeout: float = 5.0,
        min_size: int = 0,
        max_size: int = 4,
        pool_timeout: float = 5.0,
        max_waiting: int = 0,
        max_lifetime: float = 3600.0,
        max_idle: float = 600.0,
        check: Check = "ping",
    ) -> None:
        def pool(name: str, url: str) -> PgvectorPool:
            return PgvectorPool(
                name,
                url,
                timeout=timeout,
                min_size=min_size,
                max_size=max_size,
                pool_timeout=pool_timeout,
                max_waiting=max_waiting,
                max_lifetime=max_lifetime,
                max_idle=max_idle,
                check=check,
            )

        self._primary = pool("pgvector", url)
        self._replica = pool("pgvector-replica", replica_url) if replica_url else None

    def collection(self, name: str, dimension: int, metric: Metric = "cosine") -> PgvectorCollection:
        """See `VectorStore.collection`."""
        accept.collection(name, dimension, metric, pgvector_table.LARGEST)
        return PgvectorCollection(name, dimension, metric, self._primary, self._replica)

    def existing(self, name: str) -> PgvectorCollection:
        """See `VectorStore.existing`."""
        found = accept.named(name) and self._primary.run(
            lambda connection: pgvector_table.look(connection, name), self._replica
        )
        if not found:
            raise VectorStoreRefusedError(f"There is no collection {name[:60]!r}.")
        return PgvectorCollection(name, *found, self._primary, self._replica)

    def ping(self) -> None:
        """See `VectorStore.ping`."""
        self._primary.run(lambda connection: connection.execute(LOOK))

    def stats(self) -> list[PoolStats]:
        """See `VectorStore.stats`."""
        return [pool.stats() for pool in self._pools()]

    def maintain(self) -> None:
        """Nothing: psycopg_pool keeps itself in order."""

    def close(self) -> None:
        """See `VectorStore.close`; connections in use are closed when they come back."""
        for pool in self._pools():
            pool.close()

    def _pools(self) -> list[PgvectorPool]:
        return [pool for pool in (self._primary, self._replica) if pool is not None]


def _rows(connection: Connection, statement: sql.Composed, values: Any) -> list[Any]:
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(statement, values).fetchall()
