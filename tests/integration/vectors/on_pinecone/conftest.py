"""A stand-in for Pinecone that every module has for itself, and collections on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pinecone import Pinecone

import pinecone_server
from integration.vectors.on_pinecone.collection import STARTUP, filled
from pinecone_server import KEY, PineconeServer
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_collection import PineconeCollection


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
    return filled(store)


@pytest.fixture
def collection(store: PineconeStore) -> PineconeCollection:
    """One of a test's own, with a record `a`."""
    return filled(store)
