"""Pinecone as a vector store: an index for each collection, which is called `qstore-<name>`.

Invariant: the API key is in no message and no `repr`.
"""

from __future__ import annotations

from typing import Final

from qstore.errors import VectorStoreRefusedError
from workers.pool import PoolStats
from workers.vectors import accept
from workers.vectors.pinecone_collection import PineconeCollection
from workers.vectors.pinecone_errors import translated
from workers.vectors.pinecone_indexes import Indexes
from workers.vectors.store import Metric

_MOST_DIMENSIONS: Final = 20_000


class PineconeStore:
    """Pinecone, by its own client. Nothing connects before it is used.

    A write shows a moment later, and so does a delete. A call of more than one request, such as an upsert of more than
    2 MB, may fail between two of them; done again, it comes to the same.

    Args:
        api_key: The key of a project.
        url: Of the control plane.
        cloud: Where indexes are made: `aws`, `gcp` or `azure`.
        region: In that cloud.
        timeout: Seconds of each attempt, of which there is one; of waiting for a connection; of waiting for an index
            that was just made.
        max_size: Connections to each index.

    Raises:
        VectorStoreRefusedError: The key cannot be one.
    """

    name = "pinecone"

    def __init__(self, api_key: str, url: str, *, cloud: str, region: str, timeout: float, max_size: int) -> None:
        self._api_key = api_key
        with translated(api_key):
            self._indexes = Indexes(api_key, url, cloud=cloud, region=region, timeout=timeout, max_size=max_size)

    def __repr__(self) -> str:
        return "<PineconeStore>"

    def collection(self, name: str, dimension: int, metric: Metric = "cosine") -> PineconeCollection:
        """A collection, whose index is made when it is first used, if it is not there.

        Raises:
            ValueError: There can be no such collection.
        """
        accept.collection(name, dimension, metric, _MOST_DIMENSIONS)
        return PineconeCollection(name, dimension, metric, self._indexes, self._api_key)

    def existing(self, name: str) -> PineconeCollection:
        """A collection that is there already, with its own dimension and metric.

        Raises:
            VectorStoreRefusedError: There is none of that name.
            VectorStoreUnavailableError: Pinecone did not answer in time.
        """
        with translated(self._api_key):
            kind = self._indexes.describe(name) if accept.named(name) else None
        if kind is None:
            raise VectorStoreRefusedError(f"There is no collection {name[:60]!r}.")
        return PineconeCollection(name, *kind, self._indexes, self._api_key)

    def ping(self) -> None:
        """Make sure that the control plane answers, and takes the key."""
        with translated(self._api_key):
            self._indexes.ping()

    def stats(self) -> list[PoolStats]:
        """A pool for each index that was used, as far as its client tells: see `Gate.stats`."""
        return self._indexes.stats()

    def maintain(self) -> None:
        """Do nothing: the client closes a connection that was idle for long before it uses another."""

    def close(self) -> None:
        """Close every connection."""
        self._indexes.close()
