"""A vector store in memory that compares everything with everything, in double precision: what others are held to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qstore.errors import VectorStoreRefusedError
from workers.pool import PoolStats
from workers.vectors import accept
from workers.vectors.store import Filter, Match, Metric, Record, Vector


@dataclass
class ExactCollection:
    name: str
    dimension: int
    metric: Metric
    shelves: dict[str, tuple[int, Metric, dict[str, tuple[Vector, str]]]]

    def upsert(self, records: Sequence[Record]) -> None:
        self._rows().update(accept.records(records, self.dimension))

    def query(self, vector: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> list[Match]:  # noqa: A002 - the protocol's word
        asked, wanted = accept.vector(vector, self.dimension), accept.asked(top_k, filter)
        found = [record for record in self.fetch(list(self._rows())).values() if _fits(record, wanted)]
        matches = [Match(record, score(asked, record.vector, self.metric)) for record in found]
        return sorted(matches, key=lambda match: -match.score)[:top_k]

    def fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        rows = self._rows()
        known = [each for each in accept.ids(ids) if each in rows]
        return {each: Record(each, rows[each][0], json.loads(rows[each][1])) for each in known}

    def delete(self, ids: Sequence[str]) -> None:
        for each in accept.ids(ids):
            self._rows().pop(each, None)

    def ping(self) -> None:
        self._rows()

    def _rows(self) -> dict[str, tuple[Vector, str]]:
        dimension, metric, rows = self.shelves.setdefault(self.name, (self.dimension, self.metric, {}))
        if (dimension, metric) != (self.dimension, self.metric):
            raise VectorStoreRefusedError(f"{self.name} is there with {dimension} dimensions, compared by {metric}.")
        return rows


class ExactStore:
    name = "exact"

    def __init__(self) -> None:
        self._shelves: dict[str, tuple[int, Metric, dict[str, tuple[Vector, str]]]] = {}

    def collection(self, name: str, dimension: int, metric: Metric = "cosine") -> ExactCollection:
        accept.collection(name, dimension, metric, largest=20_000)
        return ExactCollection(name, dimension, metric, self._shelves)

    def existing(self, name: str) -> ExactCollection:
        if name not in self._shelves:
            raise VectorStoreRefusedError(f"There is no collection {name!r}.")
        dimension, metric, _ = self._shelves[name]
        return ExactCollection(name, dimension, metric, self._shelves)

    def ping(self) -> None:
        pass

    def stats(self) -> list[PoolStats]:
        return []

    def maintain(self) -> None:
        pass

    def close(self) -> None:
        self._shelves.clear()


def score(one: Vector, other: Vector, metric: Metric) -> float:
    """How near two vectors are, in double precision."""
    a, b = one.astype(float), other.astype(float)
    if metric == "l2":
        return -float(np.linalg.norm(a - b))
    return float(a @ b) / (float(np.linalg.norm(a) * np.linalg.norm(b)) if metric == "cosine" else 1.0)


def _fits(record: Record, wanted: Filter) -> bool:
    """Whether the payload holds it all: 1 is 1.0, and neither is True."""
    held = accept.labels(record.payload)
    return all(
        key in held and held[key] == value and isinstance(held[key], bool) == isinstance(value, bool)
        for key, value in wanted.items()
    )
