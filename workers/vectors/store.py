"""What a vector store can do, whichever it is: collections of vectors with a payload each, and the nearest of them.

Invariant: an adapter turns whatever its driver raises into the errors named here, and none of its calls is without a
deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.pool import PoolStats

Metric = Literal["cosine", "l2", "inner_product"]
"""How near two vectors are: the cosine of their angle, their Euclidean distance, or their inner product."""

Filter = Mapping[str, str | int | float | bool]
"""What the payload of a match has to hold at its top level, all of it, equal."""

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A vector, and what is known of it.

    Attributes:
        id: Its name in the collection, 1 to 512 printable ASCII characters.
        vector: As many components as the collection has dimensions, single precision.
        payload: Plain JSON.
    """

    id: str
    vector: Vector
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A record, and how near it is to what was asked for.

    Attributes:
        record: The record.
        score: The nearer the higher: the cosine, the inner product, or the Euclidean distance times -1.
    """

    record: Record
    score: float


class Collection(Protocol):
    """Vectors of one dimension, compared by one metric.

    Each call raises:
        VectorStoreUnavailableError: The store did not answer in time; nothing is known of a write.
        VectorStoreThrottledError: The store asks for patience.
        VectorStoreRefusedError: The store does not take the call as it is, and never will.
        PoolTimeout: No connection became free in time; nothing was sent.
        TooManyRequests: As many threads wait for one as may; nothing was sent.
    """

    name: str
    dimension: int
    metric: Metric

    def upsert(self, records: Sequence[Record]) -> None:
        """Write records, each in the place of the one with its id; the last of several with one id stays."""
        ...

    def query(self, vector: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> list[Match]:  # noqa: A002 - the field's word
        """The nearest records, nearest first; approximately, as the store's index has it."""
        ...

    def fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        """Records by id; those that are not there are left out."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Delete records; those that are not there are no error."""
        ...

    def ping(self) -> None:
        """Make sure that the store answers for this collection."""
        ...


class VectorStore(Protocol):
    """A vector store: its connections, and its collections."""

    name: str

    def collection(self, name: str, dimension: int, metric: Metric = "cosine") -> Collection:
        """A collection, which is made when it is first written to or asked, if it is not there.

        Args:
            name: 1 to 40 lower-case letters, digits and hyphens, a letter first.
            dimension: Components of each vector.
            metric: How near two of them are.

        Raises:
            ValueError: There can be no such collection.
        """
        ...

    def existing(self, name: str) -> Collection:
        """A collection that is there already, with its own dimension and metric.

        Raises:
            VectorStoreRefusedError: There is none of that name.
            VectorStoreUnavailableError: The store did not answer in time.
        """
        ...

    def ping(self) -> None:
        """Make sure that the store answers.

        Raises:
            VectorStoreUnavailableError: It does not.
        """
        ...

    def stats(self) -> list[PoolStats]:
        """Its pools."""
        ...

    def maintain(self) -> None:
        """Keep its pools in order, where they do not do so themselves."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
