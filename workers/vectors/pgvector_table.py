"""How a collection is laid out in PostgreSQL: one table each, its vectors and its labels indexed.

Invariant: a table is only ever made whole, in one transaction, and by one process at a time.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from psycopg import sql

from workers.vectors.pgvector_connection import Connection
from workers.vectors.pgvector_extension import LOCK
from workers.vectors.store import Metric

LARGEST: Final = 2000  # dimensions that an HNSW index of single precision takes

_OPERATORS: Final[dict[Metric, tuple[str, str]]] = {
    "cosine": ("<=>", "vector_cosine_ops"),
    "l2": ("<->", "vector_l2_ops"),
    "inner_product": ("<#>", "vector_ip_ops"),
}

# the payload is kept as it was written; of it, the labels are what filters see
_MAKE: Final = sql.SQL("""
    CREATE TABLE {table} (
        id text COLLATE "C" PRIMARY KEY, vector vector({dimension}) NOT NULL, payload json NOT NULL,
        labels jsonb NOT NULL);
    COMMENT ON TABLE {table} IS {metric};
    CREATE INDEX {by_vector} ON {table} USING hnsw (vector {operators});
    CREATE INDEX {by_label} ON {table} USING gin (labels jsonb_path_ops)
""")

_LOOK: Final = """
    SELECT atttypmod, obj_description(attrelid, 'pg_class')
    FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'vector'
"""


def table(collection: str) -> sql.Identifier:
    """The table of a collection."""
    return sql.Identifier(f"qstore_{collection}")


def distance(metric: Metric) -> sql.SQL:
    """The operator that says how far two vectors are from each other."""
    return sql.SQL(_OPERATORS[metric][0])


def score(metric: Metric, far: float) -> float:
    """How near vectors are that are so far from each other; pgvector's inner product is negative already."""
    return 1.0 - far if metric == "cosine" else -far


def look(connection: Connection, collection: str) -> tuple[int, Metric] | None:
    """The dimension and the metric of a collection, or None if it is not there."""
    row: Any = connection.execute(_LOOK, (table(collection).as_string(connection),)).fetchone()
    return (row[0], row[1]) if row and row[1] in get_args(Metric) else None


def make(connection: Connection, collection: str, dimension: int, metric: Metric) -> None:
    """Make a collection that is not there."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        if look(connection, collection) is None:  # another one may have made it meanwhile
            connection.execute(
                _MAKE.format(
                    table=table(collection),
                    dimension=sql.Literal(dimension),
                    metric=sql.Literal(metric),
                    operators=sql.Identifier(_OPERATORS[metric][1]),
                    by_vector=sql.Identifier(f"qstore_{collection}_vector"),
                    by_label=sql.Identifier(f"qstore_{collection}_labels"),
                )
            )
