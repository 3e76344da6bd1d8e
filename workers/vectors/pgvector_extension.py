"""The extension `vector`: made where PostgreSQL has it and it is not in the database yet, and told to connections."""

from __future__ import annotations

from typing import Final

import psycopg
from pgvector.psycopg import register_vector

from qstore.errors import VectorStoreRefusedError
from workers.vectors.pgvector_connection import Connection
from workers.vectors.pgvector_errors import reason

LOCK: Final = 0x7173746F7265  # the advisory lock under which anything is created: "qstore"
LOOK: Final = "SELECT '[1]'::vector <-> '[1]'::vector"


def prepare(connection: Connection, where: str) -> None:
    """Have a connection know the types of the extension.

    Args:
        connection: A new one.
        where: Whose it is, for the message.

    Raises:
        VectorStoreRefusedError: The extension is not there, and cannot be made; the message says what to do.
    """
    try:
        register_vector(connection)
    except psycopg.ProgrammingError:  # there is no such type
        _make(connection, where)
        register_vector(connection)
    connection.ready = True


def _make(connection: Connection, where: str) -> None:
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.errors.UndefinedFile) as error:
        raise VectorStoreRefusedError(
            f"{where} lacks the extension vector, and does not make it: {reason(error)}. Install pgvector there, and "
            "have a superuser run CREATE EXTENSION vector in this database."
        ) from error
