"""What Pinecone's adapter makes of a service that is late, refuses, loses answers, or has lost an index."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pinecone import Pinecone

import pinecone_server
from conditions import wait_until
from pinecone_server import KEY, PineconeServer
from qstore.errors import (
    PoolClosed,
    TransientError,
    VectorStoreRefusedError,
    VectorStoreThrottledError,
    VectorStoreUnavailableError,
)
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_client import Client
from workers.vectors.pinecone_collection import PineconeCollection
from workers.vectors.store import Record

CALLS: dict[str, tuple[str, Callable[[PineconeCollection], object]]] = {
    "upsert": ("POST /vectors/upsert", lambda collection: collection.upsert([record("b")])),
    "query": ("POST /query", lambda collection: collection.query([1, 1, 1])),
    "fetch": ("GET /vectors/fetch", lambda collection: collection.fetch(["a"])),
    "delete": ("POST /vectors/delete", lambda collection: collection.delete(["b"])),
    "ping": ("POST /describe_index_stats", lambda collection: collection.ping()),
}
UPSERT = "POST /vectors/upsert"
STARTUP = 0.04  # seconds until a new index is ready


@pytest.fixture(scope="module")
def server() -> Iterator[PineconeServer]:
    with pinecone_server.running(startup=STARTUP) as server:
        yield server


@pytest.fixture(scope="module")
def store(server: PineconeServer) -> Iterator[PineconeStore]:
    store = server.store()
    yield store
    store.close()


@pytest.fixture(scope="module")
def bare(server: PineconeServer) -> Iterator[Pinecone]:
    with Pinecone(api_key=KEY, host=server.url) as bare:
        yield bare


@pytest.fixture(autouse=True)
def healed(server: PineconeServer) -> Iterator[None]:
    yield
    server.heal()


@pytest.fixture(scope="module")
def shared(store: PineconeStore) -> PineconeCollection:
    """One for tests that leave its record `a` as it is."""
    return _collection(store)


@pytest.fixture
def collection(store: PineconeStore) -> PineconeCollection:
    """One of a test's own, with a record `a`."""
    return _collection(store)


def _collection(store: PineconeStore) -> PineconeCollection:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3, "l2")
    collection.upsert([record("a")])
    wait_until(lambda: collection.fetch(["a"]))
    return collection


def record(id: str, payload: Mapping[str, Any] | None = None) -> Record:  # noqa: A002 - the record's word
    return Record(id, np.ones(3, np.float32), payload or {})


def noise(length: int) -> str:
    """Text that compression does not shorten by much."""
    return secrets.token_hex(length // 2)


# -- a service in trouble -------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [500, 503, 408])
def test_an_error_of_the_service_is_told_after_one_attempt(
    server: PineconeServer, shared: PineconeCollection, call: str, status: int
) -> None:
    endpoint, ask = CALLS[call]
    server.fail("error", endpoint, status=status, message="out of order", count=5)
    before = server.asked(endpoint)

    with pytest.raises(VectorStoreUnavailableError, match="out of order"):
        ask(shared)

    assert server.asked(endpoint) == before + 1


@pytest.mark.parametrize("call", CALLS)
def test_patience_that_is_asked_for_is_told_with_its_seconds(
    server: PineconeServer, shared: PineconeCollection, call: str
) -> None:
    endpoint, ask = CALLS[call]
    server.fail("error", endpoint, status=429, message="slow down", retry_after=7, count=5)
    before = server.asked(endpoint)

    with pytest.raises(VectorStoreThrottledError, match="slow down") as caught:
        ask(shared)

    assert caught.value.retry_after == 7
    assert server.asked(endpoint) == before + 1


def test_patience_without_seconds_is_told_so(server: PineconeServer, shared: PineconeCollection) -> None:
    server.fail("error", UPSERT, status=429)

    with pytest.raises(VectorStoreThrottledError) as caught:
        shared.upsert([record("b")])

    assert caught.value.retry_after is None


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_is_dropped_is_no_answer(
    server: PineconeServer, shared: PineconeCollection, call: str
) -> None:
    endpoint, ask = CALLS[call]
    server.fail("drop", endpoint)

    with pytest.raises(VectorStoreUnavailableError):
        ask(shared)

    ask(shared)  # over another connection


def reached(store: PineconeStore, name: str) -> PineconeCollection | None:
    try:
        collection = store.existing(name)
        collection.ping()
    except TransientError:
        return None
    return collection


@pytest.mark.parametrize("call", CALLS)
def test_a_service_that_stalls_is_given_up_at_the_deadline(
    server: PineconeServer, shared: PineconeCollection, call: str
) -> None:
    endpoint, ask = CALLS[call]
    hasty = server.store(timeout=0.2)
    ours = wait_until(lambda: reached(hasty, shared.name))
    server.fail("stall", endpoint)
    began = time.monotonic()

    with pytest.raises(VectorStoreUnavailableError):
        ask(ours)

    assert 0.2 <= time.monotonic() - began < 10
    hasty.close()


@pytest.mark.parametrize("endpoint", ["GET /indexes/{name}", "POST /indexes"])
def test_the_control_plane_is_asked_once_too(server: PineconeServer, store: PineconeStore, endpoint: str) -> None:
    server.fail("error", endpoint, status=500, count=5)
    before = server.asked(endpoint)

    with pytest.raises(VectorStoreUnavailableError):
        store.collection(f"test-{secrets.token_hex(8)}", 3).ping()

    assert server.asked(endpoint) == before + 1


def test_a_ping_and_a_look_tell_when_the_control_plane_is_out_of_order(
    server: PineconeServer, store: PineconeStore
) -> None:
    server.fail("error", status=503, count=2)

    with pytest.raises(VectorStoreUnavailableError):
        store.ping()
    with pytest.raises(VectorStoreUnavailableError):
        store.existing("any")


def test_a_service_that_is_not_there_does_not_answer() -> None:
    store = PineconeStore(KEY, "http://127.0.0.1:1", cloud="aws", region="us-east-1", timeout=5, max_size=1)

    with pytest.raises(VectorStoreUnavailableError):
        store.ping()
    with pytest.raises(VectorStoreUnavailableError):
        store.collection("any", 3).ping()


def test_what_was_written_and_not_confirmed_may_be_written_again(
    server: PineconeServer, collection: PineconeCollection
) -> None:
    server.fail("drop", UPSERT, applied=True)
    with pytest.raises(VectorStoreUnavailableError):
        collection.upsert([record("b", {"b": 1})])
    wait_until(lambda: collection.fetch(["b"]))

    collection.upsert([record("b", {"b": 1})])

    assert len(collection.query([1, 1, 1], 10)) == 2


# -- the key --------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_in_the_words_of_the_service(server: PineconeServer) -> None:
    store = server.store(key="wrong")

    with pytest.raises(VectorStoreRefusedError, match="Invalid API Key"):
        store.ping()
    with pytest.raises(VectorStoreRefusedError, match="Invalid API Key"):
        store.collection("any", 3).ping()


def test_a_key_that_cannot_be_one_is_refused_at_once(server: PineconeServer) -> None:
    with pytest.raises(VectorStoreRefusedError) as caught:
        server.store(key="two\nlines")

    assert "lines" not in str(caught.value)


def test_the_key_is_in_no_message_though_the_service_repeats_it(
    server: PineconeServer, store: PineconeStore, shared: PineconeCollection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = [repr(store), repr(shared), repr(store.stats())]
    for status in (403, 429, 500):
        for _, ask in CALLS.values():
            server.fail("error", status=status, message=f"the key {KEY} is no good")
            with pytest.raises((TransientError, VectorStoreRefusedError)) as caught:
                ask(shared)
            assert "is no good" in str(caught.value)
            told += [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]

    assert caplog.text
    assert KEY not in "".join(told) + caplog.text
    assert KEY[-4:] not in repr(store)


# -- indexes --------------------------------------------------------------------------------------------------


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


# -- payloads that do not fit into one record ------------------------------------------------------------------


def test_what_was_torn_while_it_was_written_is_not_there_and_what_it_replaces_stays_whole(
    server: PineconeServer, collection: PineconeCollection
) -> None:
    old, new = {"text": noise(200_000)}, {"text": noise(200_000)}
    collection.upsert([record("old", old)])
    wait_until(lambda: collection.fetch(["old"]))

    for id_ in ("old", "new"):
        server.fail("error", UPSERT, after=1)  # parts are written, the record is not
        with pytest.raises(VectorStoreUnavailableError):
            collection.upsert([record(id_, new)])
    collection.upsert([record("marker")])
    wait_until(lambda: collection.fetch(["marker"]))

    assert set(collection.fetch(["old", "new"])) == {"old"}
    assert collection.fetch(["old"])["old"].payload == old
    collection.upsert([record("old", new)])
    wait_until(lambda: collection.fetch(["old"])["old"].payload == new)


def test_a_record_whose_parts_are_gone_is_not_there_itself(
    bare: Pinecone, shared: PineconeCollection, caplog: pytest.LogCaptureFixture
) -> None:
    shared.upsert([record("torn", {"text": noise(100_000)})])
    wait_until(lambda: shared.fetch(["torn"]))
    index = bare.index(f"qstore-{shared.name}")

    index.delete(delete_all=True, namespace="parts")

    wait_until(lambda: not shared.fetch(["torn"]))
    assert [match.record.id for match in shared.query([1, 1, 1])] == ["a"]
    assert "'torn' is not all there" in caplog.text


def test_a_part_that_was_changed_is_noticed(bare: Pinecone, shared: PineconeCollection) -> None:
    shared.upsert([record("torn", {"text": noise(100_000)})])
    wait_until(lambda: shared.fetch(["torn"]))
    index = bare.index(f"qstore-{shared.name}")
    [page] = index.list(namespace="parts")
    part = str(page.vectors[0].id)
    metadata = index.fetch(ids=[part], namespace="parts").vectors[part].metadata
    assert metadata is not None

    changed = {**metadata, "qstore.payload": metadata["qstore.payload"][::-1]}
    index.upsert(vectors=[(part, [1, 0, 0], changed)], namespace="parts")

    wait_until(lambda: not shared.fetch(["torn"]))


def test_a_record_of_somebody_else_is_left_out(bare: Pinecone, shared: PineconeCollection) -> None:
    index = bare.index(f"qstore-{shared.name}")
    index.upsert(vectors=[("foreign", [1, 1, 1], {"genre": "action"}), ("bare", [1, 1, 1])])
    wait_until(lambda: len(index.fetch(ids=["foreign", "bare"]).vectors) == 2)

    assert set(shared.fetch(["a", "foreign", "bare"])) == {"a"}


def test_all_parts_of_a_record_are_deleted_with_it(bare: Pinecone, collection: PineconeCollection) -> None:
    index = bare.index(f"qstore-{collection.name}")
    for _ in range(2):  # the parts of the first are of no use after the second
        same = {"text": noise(120_000)}
        collection.upsert([record("large", same), record("stays", same)])
    wait_until(lambda: len(collection.fetch(["large", "stays"])) == 2 and _count(index, "parts") == 8)

    collection.delete(["large"])

    wait_until(lambda: _count(index, "parts") == 4)
    assert set(collection.fetch(["large", "stays"])) == {"stays"}


def test_fields_that_look_like_ours_come_back_and_are_found(shared: PineconeCollection) -> None:
    payload: dict[str, str | int] = {
        "qstore.payload": "x",
        "qstore.parts": 3,
        "qstore.label.a": 1,
        "qstore.digest": True,
    }
    shared.upsert([record("odd", payload)])
    wait_until(lambda: shared.fetch(["odd"]))

    assert shared.fetch(["odd"])["odd"].payload == payload
    for key, value in payload.items():
        assert [match.record.id for match in shared.query([1, 1, 1], 10, {key: value})] == ["odd"]


def test_more_to_filter_by_than_pinecone_keeps_is_refused(shared: PineconeCollection) -> None:
    with pytest.raises(VectorStoreRefusedError, match="too many strings"):
        shared.upsert([record("b"), record("many", {str(number): "x" * 400 for number in range(100)})])

    assert set(shared.fetch(["b", "many"])) == set()


def test_as_much_to_filter_by_as_pinecone_keeps_is_taken(shared: PineconeCollection) -> None:
    payload = {str(number): noise(400) for number in range(91)}
    shared.upsert([record("many", payload)])

    wait_until(lambda: shared.fetch(["many"]))
    assert shared.fetch(["many"])["many"].payload == payload


# -- limits of a request ---------------------------------------------------------------------------------------


def test_more_than_one_request_takes_is_cut(server: PineconeServer, store: PineconeStore) -> None:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3, "l2")
    many = [record(f"small-{number}", {"large": False}) for number in range(1001)]
    large = [record(f"large-{number}", {"large": True, "text": noise(45_000)}) for number in range(120)]
    before = server.asked(UPSERT)

    collection.upsert(many)
    collection.upsert(large)

    assert server.asked(UPSERT) - before == 2 + 3
    wait_until(lambda: collection.fetch([large[-1].id]))
    before = server.asked("GET /vectors/fetch")
    assert len(collection.fetch([each.id for each in large])) == 120
    assert server.asked("GET /vectors/fetch") == before + 2  # for answers of at most 4 MB
    assert len(collection.query([1, 1, 1], 120, {"large": True})) == 120
    collection.delete([each.id for each in many])
    wait_until(lambda: not collection.fetch([many[-1].id]))
    assert collection.query([1, 1, 1], 1, {"large": False}) == []


def test_the_longest_ids_are_fetched_many_at_once(shared: PineconeCollection) -> None:
    records = [record(f"{number:%<512}") for number in range(150)]
    shared.upsert(records)

    wait_until(lambda: len(shared.fetch([each.id for each in records])) == 150)


def test_the_largest_dimension_is_taken(store: PineconeStore) -> None:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 20_000)
    vectors = np.random.default_rng(1).normal(size=(5, 20_000)).astype(np.float32) * 1e-30
    vectors[:, 0] = 1
    collection.upsert([Record(str(place), vector) for place, vector in enumerate(vectors)])

    wait_until(lambda: collection.fetch(["4"]))
    [match] = collection.query(vectors[3], 1)
    assert np.array_equal(match.record.vector, vectors[int(match.record.id)])


def test_a_distance_that_rounding_made_less_than_none_is_none(shared: PineconeCollection) -> None:
    assert shared._score(-1e-12) == 0


# -- connections -----------------------------------------------------------------------------------------------


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
    store.close()


def test_nothing_of_the_parents_is_used_in_a_child(
    server: PineconeServer, store: PineconeStore, shared: PineconeCollection
) -> None:
    shared.fetch(["a"])  # its connection is fresh, and kept for some seconds
    before = server.connections()

    child = os.fork()
    if child == 0:
        done = 1
        try:
            done = 0 if store.stats() == [] and set(shared.fetch(["a"])) == {"a"} else 2
        finally:
            os._exit(done)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
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


def _count(index: object, namespace: str) -> int:
    summaries = index.describe_index_stats().namespaces  # type: ignore[attr-defined]  # any of the client's
    return int(summaries[namespace].vector_count)
