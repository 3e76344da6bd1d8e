"""Connections to Pinecone: kept, waited for, not inherited."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from conditions import wait_until
from forked import in_child
from pinecone_server import PineconeServer
from qstore.errors import PoolClosed
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_collection import PineconeCollection


def test_a_connection_is_used_again(server: PineconeServer) -> None:
    store = server.store(max_size=1)
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3)
    collection.ping()
    before = server.connections()

    for _ in range(5):
        collection.ping()

    assert server.connections() == before
    store.close()


def test_a_thread_waits_until_a_connection_is_free(server: PineconeServer) -> None:
    store = server.store(max_size=1)
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3)
    collection.ping()
    server.fail("stall", "POST /query")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(collection.query, [1, 1, 1])
        wait_until(lambda: server.asked("POST /query") and store.stats()[0].in_use)
        second = pool.submit(collection.fetch, ["a"])
        wait_until(lambda: store.stats()[0].waiting)
        assert not second.done()
        server.heal()

    assert (first.result(), second.result()) == ([], {})
    [stats] = store.stats()
    assert (stats.name, stats.max_size, stats.waited) == (f"pinecone {collection.name}", 1, 1)
    assert (stats.in_use, stats.waiting, stats.timeouts) == (0, 0, 0)
    assert stats.wait_p50 == stats.wait_p95 == stats.wait_p99 > 0
    store.close()


def test_nothing_of_the_parents_is_used_in_a_child(
    server: PineconeServer, store: PineconeStore, shared: PineconeCollection
) -> None:
    shared.fetch(["a"])  # its connection is fresh, and kept for some seconds
    before = server.connections()

    def child() -> None:
        assert store.stats() == []
        assert set(shared.fetch(["a"])) == {"a"}

    in_child(child)
    assert server.connections() > before
    between = server.connections()
    assert set(shared.fetch(["a"])) == {"a"}
    assert server.connections() == between


def test_a_closed_store_says_so(server: PineconeServer) -> None:
    store = server.store()
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3)
    collection.ping()

    control, [link] = store._indexes._control, store._indexes._links.values()
    store.maintain()
    store.close()

    assert control is not None
    assert control._http._client.is_closed
    assert link.client._http._client.is_closed
    assert store.stats() == []
    with pytest.raises(PoolClosed):
        collection.ping()
    with pytest.raises(PoolClosed):
        store.ping()
