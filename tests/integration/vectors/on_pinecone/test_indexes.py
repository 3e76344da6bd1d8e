"""Indexes that are made, gone, not ready, or somebody else's."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pinecone import Pinecone

from conditions import wait_until
from integration.vectors.on_pinecone.collection import CALLS, STARTUP, UPSERT, record
from pinecone_server import KEY, PineconeServer
from qstore.errors import VectorStoreRefusedError, VectorStoreUnavailableError
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_client import Client
from workers.vectors.pinecone_collection import PineconeCollection


@pytest.mark.parametrize("call", CALLS)
def test_an_index_that_was_deleted_is_made_anew(
    bare: Pinecone, store: PineconeStore, collection: PineconeCollection, call: str
) -> None:
    bare.indexes.delete(f"qstore-{collection.name}", timeout=-1)

    CALLS[call][1](collection)

    assert bare.indexes.describe(f"qstore-{collection.name}").dimension == 3
    [stats] = [each for each in store.stats() if collection.name in each.name]
    assert stats.acquisitions == (2 if call == "delete" else 1)


def test_an_index_that_was_made_anew_elsewhere_is_found(
    server: PineconeServer, bare: Pinecone, collection: PineconeCollection
) -> None:
    bare.indexes.delete(f"qstore-{collection.name}", timeout=-1)
    other = server.store()
    other.collection(collection.name, 3, "l2").upsert([record("new")])
    other.close()

    wait_until(lambda: set(collection.fetch(["a", "new"])) == {"new"})


def test_an_index_whose_host_is_gone_is_looked_up_again(collection: PineconeCollection) -> None:
    links = collection._indexes._links
    gone = "http://127.0.0.1:1"
    links[collection.name] = replace(links[collection.name], host=gone, client=Client(gone, KEY, 5, 1))

    assert set(collection.fetch(["a"])) == {"a"}


def test_an_index_that_was_made_anew_in_another_way_is_refused(
    server: PineconeServer, bare: Pinecone, collection: PineconeCollection
) -> None:
    bare.indexes.delete(f"qstore-{collection.name}", timeout=-1)
    other = server.store()
    other.collection(collection.name, 4, "cosine").ping()
    other.close()

    with pytest.raises(VectorStoreRefusedError, match=r"4 dimensions.*cosine"):
        collection.fetch(["a"])


def test_an_index_that_is_still_there_is_not_asked_twice(server: PineconeServer, shared: PineconeCollection) -> None:
    server.fail("error", UPSERT, status=404, message="odd", count=5)
    before = server.asked(UPSERT)

    with pytest.raises(VectorStoreRefusedError, match="odd"):
        shared.upsert([record("b")])

    assert server.asked(UPSERT) == before + 1


def test_replicas_that_make_one_index_at_a_time_all_find_it(server: PineconeServer, bare: Pinecone) -> None:
    name = f"test-{secrets.token_hex(8)}"
    stores = [server.store() for _ in range(4)]
    server.fail("stall", "GET /indexes/{name}", seconds=0.1, count=4)  # so that none of them finds it at first

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.collection(name, 3).upsert([record("a")]), stores))

    assert [each.name for each in bare.indexes.list() if each.name.endswith(name)] == [f"qstore-{name}"]
    for store in stores:
        store.close()


def test_threads_of_one_replica_make_and_connect_to_an_index_once(server: PineconeServer, store: PineconeStore) -> None:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3)
    before = server.asked("POST /indexes")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: collection.ping(), range(4)))

    assert server.asked("POST /indexes") == before + 1
    [stats] = [each for each in store.stats() if collection.name in each.name]
    assert stats.acquisitions == 4


def test_a_thread_waits_no_longer_than_the_deadline_for_another_that_looks_up_the_index(
    server: PineconeServer,
) -> None:
    hasty = server.store(timeout=0.1)
    collection = hasty.collection(f"test-{secrets.token_hex(8)}", 3)
    hasty._indexes._looking[collection.name] = looking = threading.Lock()

    with looking, pytest.raises(VectorStoreUnavailableError, match="another thread"):
        collection.ping()

    hasty.close()


def test_an_index_that_is_not_ready_in_time_is_there_later(server: PineconeServer, store: PineconeStore) -> None:
    name = f"test-{secrets.token_hex(8)}"
    hasty = server.store(timeout=STARTUP / 2)

    with pytest.raises(VectorStoreUnavailableError):
        hasty.collection(name, 3).upsert([record("a")])

    store.collection(name, 3).upsert([record("a")])
    wait_until(lambda: store.collection(name, 3).fetch(["a"]))
    hasty.close()


def test_a_name_that_no_collection_has_is_not_asked_for(server: PineconeServer, store: PineconeStore) -> None:
    before = server.asked("GET /indexes/{name}")

    with pytest.raises(VectorStoreRefusedError):
        store.existing("No Name")

    assert server.asked("GET /indexes/{name}") == before


def test_an_index_that_may_not_be_looked_at_is_refused(server: PineconeServer, store: PineconeStore) -> None:
    server.fail("error", "GET /indexes/{name}", status=403, message="not yours")

    with pytest.raises(VectorStoreRefusedError, match="not yours"):
        store.existing("any")
