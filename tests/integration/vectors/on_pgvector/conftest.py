"""Stores on the PostgreSQL of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integration.vectors.on_pgvector.stores import LONG, Opener
from qstore.sandbox.postgres import PostgresServer
from workers.vectors.pgvector import PgvectorStore


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
