"""What Pinecone's adapter makes of a service that is late, refuses, or loses answers, and of its key."""

from __future__ import annotations

import logging
import secrets
import time
import traceback

import pytest

from conditions import wait_until
from integration.vectors.on_pinecone.collection import CALLS, UPSERT, record
from pinecone_server import KEY, PineconeServer
from qstore.errors import (
    TransientError,
    VectorStoreRefusedError,
    VectorStoreThrottledError,
    VectorStoreUnavailableError,
)
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_collection import PineconeCollection


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
