"""A PostgreSQL for each module, and names of collections."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from qstore.sandbox.postgres import PostgresServer


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def name() -> str:
    return f"test-{secrets.token_hex(8)}"
