"""What the caches hold, and what they were good for: counted by the moves themselves, so no count costs a trip.

Invariant: what the indexes add up to is what is stored, to the byte as the store counts; see `lua/include/store.lua`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qstore.state.connection import Connection
from qstore.state.keys import Keys


@dataclass(frozen=True, slots=True)
class Tallied:
    """Counters since Redis was empty, and what is stored now.

    Attributes:
        hits: Jobs answered with a stored result.
        joins: Jobs that joined a running execution.
        misses: Jobs that caused an execution, or were answered by the archive.
        recalls: Runs that the archive answered.
        evictions: Stored results that had to go before they expired, for want of room.
        saved_usd: US dollars that hits and joins would have cost, as far as costs are known.
        results: Results stored.
        result_bytes: What they take, bytes.
        circuit_hits: Compiled circuits found.
        circuit_misses: Compiled circuits looked for in vain.
        circuit_evictions: Compiled circuits that had to go before they expired.
        circuits: Compiled circuits stored.
        circuit_bytes: What they take, bytes.
    """

    hits: int
    joins: int
    misses: int
    recalls: int
    evictions: int
    saved_usd: float
    results: int
    result_bytes: int
    circuit_hits: int
    circuit_misses: int
    circuit_evictions: int
    circuits: int
    circuit_bytes: int

    @property
    def hit_rate(self) -> float | None:
        """The share of jobs that caused no execution, 0 to 1; None before the first job."""
        jobs = self.hits + self.joins + self.misses
        return (self.hits + self.joins + self.recalls) / jobs if jobs else None

    @property
    def circuit_hit_rate(self) -> float | None:
        """The share of compiled circuits that were found, 0 to 1; None before one was looked for."""
        looks = self.circuit_hits + self.circuit_misses
        return self.circuit_hits / looks if looks else None


class Tally:
    """Reads the counters.

    Args:
        connection: To Redis.
        keys: Key names.
    """

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def read(self) -> Tallied:
        """How it stands.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys: Any = [self._keys.tally, *self._keys.results, *self._keys.circuits]
        left = True
        while left:
            counted, results, circuits, left = self._connection.call("tally", keys, [])
        names = [name.decode() for name in counted[::2]]
        counters = dict(zip(names, counted[1::2], strict=True))

        def count(name: str) -> int:
            return int(counters.get(name, 0))

        return Tallied(
            hits=count("hits"),
            joins=count("joins"),
            misses=count("misses"),
            recalls=count("recalls"),
            evictions=count("evictions"),
            saved_usd=float(counters.get("saved_usd", 0.0)),
            results=results[0],
            result_bytes=results[1],
            circuit_hits=count("circuit_hits"),
            circuit_misses=count("circuit_misses"),
            circuit_evictions=count("circuit_evictions"),
            circuits=circuits[0],
            circuit_bytes=circuits[1],
        )
