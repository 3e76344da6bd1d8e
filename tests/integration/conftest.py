"""A real Redis for the state tests; whoever leaves a key behind fails."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conditions import let_go_of_redis
from qstore.app import settings
from qstore.sandbox.redis import RedisServer
from qstore.state.connection import Connection
from qstore.state.keys import Keys


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis where the settings say."""
    folder: Path = tmp_path_factory.mktemp("redis")
    server = RedisServer(folder, port=urlsplit(settings.redis_url).port)
    with server:
        yield server
    let_go_of_redis()


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    """A connection with a generous deadline: the machine may be busy."""
    opened = Connection(redis_server.url, timeout=10.0)
    yield opened
    opened.close()


@pytest.fixture
def keys(connection: Connection) -> Iterator[Keys]:
    """Keys under a prefix of the test's own, all of which it has to clean up."""
    prefix = f"test-{secrets.token_hex(4)}:"
    yield Keys(prefix)
    # who arrived is told of a second later, should they still wait: some replica's next turn would clear that away
    left = sorted(set(connection.client.scan_iter(f"{prefix}*")) - {Keys(prefix).arrivals.encode()})
    connection.client.flushdb()
    assert not left, f"left behind: {left}"
