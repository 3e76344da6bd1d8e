"""Collections in Pinecone, and every call to one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from conditions import wait_until
from workers.vectors.pinecone import PineconeStore
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


def filled(store: PineconeStore) -> PineconeCollection:
    """A new one, with a record `a`."""
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3, "l2")
    collection.upsert([record("a")])
    wait_until(lambda: collection.fetch(["a"]))
    return collection


def record(id: str, payload: Mapping[str, Any] | None = None) -> Record:  # noqa: A002 - the record's word
    return Record(id, np.ones(3, np.float32), payload or {})


def noise(length: int) -> str:
    """Text that compression does not shorten by much."""
    return secrets.token_hex(length // 2)
