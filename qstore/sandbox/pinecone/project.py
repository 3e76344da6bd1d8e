"""A project: its indexes by name, and the quotas that bound them all.

Invariant: what its indexes hold is at most so many bytes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from qstore.sandbox.pinecone.index import Index
from qstore.sandbox.pinecone.refusal import Refusal

METRICS = ("cosine", "euclidean", "dotproduct")
"""How the nearness of vectors may be measured."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?")
_MOST_DIMENSIONS = 20_000


class Project:
    """One project.

    Args:
        lag: Seconds after which a write shows.
        startup: Seconds after which a new index is ready.
        most_indexes: Indexes at most.
        most_bytes: Bytes of all their records at most, about.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        lag: float,
        startup: float,
        most_indexes: int = 1000,
        most_bytes: int = 512 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lag = lag
        self._startup = startup
        self._most_indexes = most_indexes
        self._most_bytes = most_bytes
        self._clock = clock
        self._indexes: dict[str, Index] = {}

    def indexes(self) -> list[Index]:
        """All of them."""
        return list(self._indexes.values())

    def create(self, name: Any, dimension: Any, metric: Any, deployment: dict[str, Any]) -> Index:
        """Make an index, which is ready a moment later.

        Raises:
            Refusal: With 409 where the name is taken, 403 where there are too many, 400 where it cannot be.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refusal(
                400,
                "Name must consist of 1 to 45 lower case alphanumeric characters or '-', and start and end with one",
            )
        if name in self._indexes:
            raise Refusal(409, "Resource already exists")
        if not isinstance(dimension, int) or not 1 <= dimension <= _MOST_DIMENSIONS:
            raise Refusal(400, f"Dimension must be between 1 and {_MOST_DIMENSIONS}")
        if metric not in METRICS:
            raise Refusal(400, f"Metric must be one of {', '.join(METRICS)}")
        if len(self._indexes) >= self._most_indexes:
            raise Refusal(403, f"Request failed. You've reached the max indexes allowed ({self._most_indexes}).")
        ready_at = self._clock() + self._startup
        index = Index(name, dimension, metric, deployment, self._lag, self._clock, ready_at)
        self._indexes[name] = index
        return index

    def find(self, name: str) -> Index:
        """An index by name.

        Raises:
            Refusal: With 404 where there is none.
        """
        if name not in self._indexes:
            raise Refusal(404, f"Resource {name[:60]} not found")
        return self._indexes[name]

    def delete(self, name: str) -> None:
        """Delete an index with all it holds.

        Raises:
            Refusal: With 404 where there is none.
        """
        self.find(name)
        del self._indexes[name]

    def at(self, place: str) -> Index:
        """The index whose host ends so, which has to be ready.

        Raises:
            Refusal: With 404 where there is none, 503 where it is not ready yet.
        """
        for index in self._indexes.values():
            if index.place == place:
                if not index.ready:
                    raise Refusal(503, "The index is initializing")
                return index
        raise Refusal(404, "There is no index at this host")

    def make_room(self, size: int) -> None:
        """Make sure that so many bytes more may be held.

        Raises:
            Refusal: They may not.
        """
        if size + sum(each.size for each in self._indexes.values()) > self._most_bytes:
            raise Refusal(403, "Request failed. You've reached the max storage allowed for the project.")
