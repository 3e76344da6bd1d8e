"""A collection kept in an index of Pinecone: records in its default namespace, what does not fit there in another.

Invariant: the parts of a payload are written before the record that names them, so a record is found with its whole
payload or not at all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike
from pinecone import NotFoundError

from workers.vectors import accept, pinecone_payload
from workers.vectors.pinecone_client import Client
from workers.vectors.pinecone_errors import translated
from workers.vectors.pinecone_indexes import Indexes
from workers.vectors.store import Filter, Match, Metric, Record

logger = logging.getLogger(__name__)

_PARTS: Final = "parts"
_MOST_RECORDS: Final = 1000  # of one upsert or delete
_LONGEST_REQUEST: Final = 1_900_000  # bytes; the service takes 2 MB
_LONGEST_RESULT: Final = 3_900_000  # bytes; the service gives 4 MB
_LONGEST_QUERY: Final = 6_000  # bytes of ids in an address
_COMPONENT: Final = 25  # bytes of a component as JSON, at most
_HEAD: Final = 1_000  # bytes of the rest of a record, at most

T = TypeVar("T")


class _Found(Protocol):
    """A record as the service gives it."""

    id: str
    values: list[float]
    metadata: dict[str, Any] | None


class PineconeCollection:
    """One collection.

    Args:
        name: Its name.
        dimension: Components of each vector.
        metric: How near two of them are.
        indexes: Where its index is.
        api_key: What to leave out of messages.
    """

    def __init__(self, name: str, dimension: int, metric: Metric, indexes: Indexes, api_key: str) -> None:
        self.name = name
        self.dimension = dimension
        self.metric = metric
        self._indexes = indexes
        self._api_key = api_key
        self._vector_size = dimension * _COMPONENT
        self._few = max(1, _LONGEST_RESULT // (self._vector_size + pinecone_payload.LARGEST + _HEAD))

    def __repr__(self) -> str:
        return f"<PineconeCollection {self.name!r} of {self.dimension} dimensions, {self.metric}>"

    def upsert(self, records: Sequence[Record]) -> None:
        """Write records; those that do not fit into one request take several, of which the last may fail alone."""
        accepted = accept.records(records, self.dimension)
        payloads = {record.id: record.payload for record in records}
        heads, parts = [], []
        for id_, (vector, text) in accepted.items():
            packed = pinecone_payload.pack(id_, payloads[id_], text)
            heads.append({"id": id_, "values": vector.tolist(), "metadata": packed.metadata})
            parts += [
                {"id": part, "values": self._unit(), "metadata": metadata} for part, metadata in packed.parts.items()
            ]
        with translated(self._api_key):
            self._write(parts, _PARTS)
            self._write(heads, "")

    def query(self, vector: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> list[Match]:  # noqa: A002 - the field's word
        """The nearest records. Where all of them might be too much for one answer, they are fetched afterwards."""
        asked = accept.vector(vector, self.dimension).tolist()
        wanted = pinecone_payload.filtered(accept.asked(top_k, filter))
        whole = top_k <= self._few
        call = partial(
            Client.query, vector=asked, top_k=top_k, filter=wanted, include_values=whole, include_metadata=whole
        )
        with translated(self._api_key):
            scored = self._use(call).matches
            found = {each.id: each for each in scored} if whole else self._fetch([each.id for each in scored], "")
            records = self._records(found)
        return [Match(records[each.id], self._score(each.score)) for each in scored if each.id in records]

    def fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        """Records by id."""
        wanted = accept.ids(ids)
        with translated(self._api_key):
            return self._records(self._fetch(wanted, ""))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete records, and then every part that was ever written for them."""
        unwanted = accept.ids(ids)
        with translated(self._api_key):
            for start in range(0, len(unwanted), _MOST_RECORDS):
                chunk = unwanted[start : start + _MOST_RECORDS]
                with suppress(NotFoundError):  # nothing was ever written
                    self._use(partial(Client.delete, ids=chunk))
                self._use(partial(_delete_parts, ids=chunk))

    def ping(self) -> None:
        """Make sure that its index answers."""
        with translated(self._api_key):
            self._use(Client.describe_index_stats)

    def _use(self, call: Callable[[Client], T]) -> T:
        return self._indexes.use(self.name, self.dimension, self.metric, call)

    def _write(self, records: Sequence[Mapping[str, Any]], namespace: str) -> None:
        for batch in _portions(records, self._size, _LONGEST_REQUEST, _MOST_RECORDS):
            self._use(partial(Client.upsert, vectors=batch, namespace=namespace))

    def _size(self, record: Mapping[str, Any]) -> int:
        """Bytes of a record in a request, at most."""
        return _HEAD + self._vector_size + pinecone_payload.size(record["metadata"])

    def _fetch(self, ids: Sequence[str], namespace: str) -> dict[str, _Found]:
        found: dict[str, _Found] = {}
        for chunk in _portions(ids, _length, _LONGEST_QUERY, self._few):
            found |= self._use(partial(Client.fetch, ids=chunk, namespace=namespace)).vectors
        return found

    def _records(self, found: Mapping[str, _Found]) -> dict[str, Record]:
        """Records with their payloads. One whose payload is not all there, yet or any more, is not there itself."""
        wanted = [part for each in found.values() for part in pinecone_payload.part_ids(each.id, each.metadata or {})]
        parts = {part: each.metadata or {} for part, each in self._fetch(wanted, _PARTS).items()}
        records = {}
        for id_, each in found.items():
            payload = pinecone_payload.unpack(id_, each.metadata or {}, parts)
            if payload is None:
                logger.warning("%s: the payload of %r is not all there", self.name, id_)
            else:
                records[id_] = Record(id_, np.array(each.values, np.float32), payload)
        return records

    def _score(self, score: float) -> float:
        """As the protocol has it; for l2 the service gives the square of the distance."""
        return -math.sqrt(max(score, 0.0)) if self.metric == "l2" else score

    def _unit(self) -> list[float]:
        return [1.0] + [0.0] * (self.dimension - 1)


def _length(id_: str) -> int:
    """Bytes of an id in an address."""
    return len("&ids=") + len(quote(id_, safe=""))


def _portions(items: Sequence[T], size: Callable[[T], int], largest: int, most: int) -> Iterator[list[T]]:
    """Items as each request takes them: so many bytes, unless one alone has more, and so many of them."""
    portion: list[T] = []
    total = 0
    for item in items:
        more = size(item)
        if portion and (total + more > largest or len(portion) == most):
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += more
    if portion:
        yield portion


def _delete_parts(client: Client, ids: list[str]) -> None:
    with suppress(NotFoundError):  # there never was a part, as is usual
        client.delete(filter=pinecone_payload.parts_of(ids), namespace=_PARTS)
