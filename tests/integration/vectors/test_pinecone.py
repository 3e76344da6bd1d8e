"""Pinecone's adapter against the stand-in, where a write shows only later."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import pinecone_server
from conditions import wait_until
from vectors_contract import VectorStoreContract
from workers.vectors.pinecone import PineconeStore


@pytest.fixture(scope="module")
def server() -> Iterator[pinecone_server.PineconeServer]:
    with pinecone_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def store(server: pinecone_server.PineconeServer) -> Iterator[PineconeStore]:
    store = server.store()
    yield store
    store.close()


class TestPinecone(VectorStoreContract):
    def settled(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, what="what was written")
