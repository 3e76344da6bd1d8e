"""One PostgreSQL for all tests of vectors that do not stop it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qstore.sandbox.postgres import PostgresServer


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as running:
        yield running
