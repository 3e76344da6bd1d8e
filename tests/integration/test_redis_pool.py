"""The connections to Redis are pooled: bounded, waited for, and replaced when the server ended them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qstore.errors import StoreUnavailableError
from qstore.sandbox.redis import RedisServer
from qstore.state.connection import Connection

MAX_SIZE = 3


@pytest.fixture
def narrow(redis_server: RedisServer) -> Iterator[Connection]:
    """Few connections."""
    opened = Connection(redis_server.url, 10.0, MAX_SIZE)
    yield opened
    opened.close()


def used(connection: Connection) -> set[int]:
    """The server's names of connections, many calls at once."""
    client: Any = connection.client
    with ThreadPoolExecutor(16) as threads:
        return {future.result() for future in [threads.submit(client.client_id) for _ in range(400)]}


def test_many_threads_share_few_connections(narrow: Connection) -> None:
    assert 1 <= len(used(narrow)) <= MAX_SIZE


def test_who_waits_in_vain_hears_of_it_and_nobody_after_that(narrow: Connection) -> None:
    pool: Any = narrow.client.connection_pool
    pool.timeout = 0.1  # of who waits for a connection; calls to the server keep theirs
    held = [pool.get_connection() for _ in range(MAX_SIZE)]
    with pytest.raises(StoreUnavailableError, match="QSTORE_REDIS_POOL_MAX_SIZE"):
        narrow.number("any")
    pool.release(held.pop())
    assert narrow.number("any") == 0
    for each in held:
        pool.release(each)


def test_connections_that_the_server_ended_are_replaced_unseen(narrow: Connection, connection: Connection) -> None:
    before = used(narrow)
    client: Any = connection.client
    for number in before:
        client.client_kill_filter(_id=str(number))
    after = used(narrow)
    assert after
    assert before.isdisjoint(after)
