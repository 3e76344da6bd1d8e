"""A namespace: its records, what was written but does not show yet, and the exact search among them.

Invariant: writes show in the order they were taken, each after the lag.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.sandbox.pinecone.filtering import Test
from qstore.sandbox.pinecone.record import Record


class _Write(NamedTuple):
    """What happens at a moment: records are put, and those of some ids or some metadata go."""

    due: float
    put: Sequence[Record] = ()
    ids: Sequence[str] = ()
    test: Test | None = None


class Namespace:
    """One namespace.

    Args:
        metric: `cosine`, `euclidean` or `dotproduct`.
        lag: Seconds after which a write shows.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, metric: str, lag: float, clock: Callable[[], float]) -> None:
        self._metric = metric
        self._lag = lag
        self._clock = clock
        self._shown: dict[str, Record] = {}
        self._coming: deque[_Write] = deque()
        self._matrix: NDArray[np.float32] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of all its records, about, those that do not show yet included."""
        return self._size

    def records(self) -> dict[str, Record]:
        """What shows now, by id."""
        while self._coming and self._coming[0].due <= self._clock():
            self._show(self._coming.popleft())
        return self._shown

    def put(self, records: Sequence[Record]) -> None:
        """Write records, each in the place of the one with its id."""
        self._size += sum(each.size for each in records)
        self._coming.append(_Write(self._due(), put=records))

    def drop(self, ids: Sequence[str]) -> None:
        """Delete records by id."""
        self._coming.append(_Write(self._due(), ids=ids))

    def drop_where(self, test: Test) -> None:
        """Delete the records whose metadata passes, once the delete shows."""
        self._coming.append(_Write(self._due(), test=test))

    def nearest(self, vector: NDArray[np.float32], count: int, test: Test) -> list[tuple[Record, float]]:
        """Records whose metadata passes, the nearest first, each with its score.

        The score is the cosine, the inner product, or the square of the Euclidean distance.
        """
        records = list(self.records().values())
        if not records:
            return []
        scores = self._scores(vector, records)
        passing = (place for place, record in enumerate(records) if test(record.metadata))
        sign = 1 if self._metric == "euclidean" else -1
        nearest = heapq.nsmallest(count, passing, key=lambda place: sign * scores[place])
        return [(records[place], float(scores[place])) for place in nearest]

    def _scores(self, vector: NDArray[np.float32], records: Sequence[Record]) -> NDArray[np.float64]:
        if self._matrix is None:
            self._matrix = np.stack([each.values for each in records])
        products: NDArray[np.float64] = np.einsum("ij,j->i", self._matrix, vector, dtype=np.float64)
        if self._metric == "dotproduct":
            return products
        squares: NDArray[np.float64] = np.einsum("ij,ij->i", self._matrix, self._matrix, dtype=np.float64)
        square = float(np.dot(vector.astype(np.float64), vector))
        if self._metric == "euclidean":
            distances: NDArray[np.float64] = np.maximum(squares - 2 * products + square, 0)
            return distances
        lengths = np.sqrt(squares * square)
        return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)

    def _due(self) -> float:
        return self._clock() + self._lag

    def _show(self, write: _Write) -> None:
        self._matrix = None
        for name in write.ids:
            self._remove(name)
        if write.test:
            for name in [each.id for each in self._shown.values() if write.test(each.metadata)]:
                self._remove(name)
        for record in write.put:
            self._remove(record.id)
            self._shown[record.id] = record

    def _remove(self, name: str) -> None:
        gone = self._shown.pop(name, None)
        if gone:
            self._size -= gone.size
