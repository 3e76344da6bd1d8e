"""Every job the stand-in ever accepted, in brief: what was bought, and whether it had to be paid.

Entries outlive their jobs, whether deleted or forgotten. The oldest go once more than `max_circuits` circuits or
`max_metadata` characters are kept; the figures are of all jobs since the start. A circuit counts as bought twice
if it is among the last `max_known` different ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstore.sandbox.ionq.documents import timestamp
from qstore.sandbox.ionq.job import FINAL, Job, State
from qstore.sandbox.ionq.purchase import split

_PREFIX = 8  # bytes of a digest that tell circuits apart: in a million, two agree by chance once in 10**7 runs


@dataclass(slots=True, eq=False)
class _Entry:
    id: str
    name: str | None
    metadata: dict[str, str] | None
    backend: str
    shots: int
    dry_run: bool
    submitted_at: float
    purchases: bytes
    circuits: int
    state: State

    @property
    def weight(self) -> int:
        """Characters of metadata."""
        return sum(len(name) + len(value) for name, value in (self.metadata or {}).items())

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "metadata": self.metadata,
            "backend": self.backend,
            "shots": self.shots,
            "dry_run": self.dry_run,
            "status": self.state,
            "submitted_at": timestamp(self.submitted_at),
            "circuits": [digest.hex() for digest in split(self.purchases)],
        }


class Book:
    """Keeps the entries.

    Args:
        clock: Epoch seconds.
        max_circuits: Circuits in all entries kept.
        max_metadata: Characters of metadata in all entries kept.
        max_known: Different circuits remembered to tell who comes again.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        max_circuits: int = 200_000,
        max_metadata: int = 64_000_000,
        max_known: int = 1_000_000,
    ) -> None:
        self._clock = clock
        self._max_circuits = max_circuits
        self._max_metadata = max_metadata
        self._max_known = max_known
        self._entries: deque[_Entry] = deque()
        self._circuits = 0  # in entries
        self._metadata = 0  # in entries
        self._open: dict[str, tuple[_Entry, Job]] = {}  # whose end is not known yet
        self._known: dict[bytes, None] = {}  # oldest first
        self._accepted = 0  # circuits, as in what follows
        self._distinct = 0
        self._released = 0
        self._canceled_jobs = 0
        self._failed_jobs = 0

    def enter(self, job: Job) -> None:
        """Enter a job just accepted."""
        order = job.order
        entry = _Entry(
            id=job.id,
            name=order.name,
            metadata=order.metadata,
            backend=order.backend.name,
            shots=order.shots,
            dry_run=order.dry_run,
            submitted_at=job.submitted_at,
            purchases=order.purchases,
            circuits=len(job.leaves),
            state=State.SUBMITTED,
        )
        self._entries.append(entry)
        self._open[job.id] = (entry, job)
        self._accepted += entry.circuits
        self._circuits += entry.circuits
        self._metadata += entry.weight
        for digest in split(order.purchases):
            self._meet(digest[:_PREFIX])
        while len(self._entries) > 1 and (self._circuits > self._max_circuits or self._metadata > self._max_metadata):
            oldest = self._entries.popleft()
            self._circuits -= oldest.circuits
            self._metadata -= oldest.weight

    def close(self, job: Job) -> None:
        """Take down how a job ended that is about to be deleted."""
        if job.id in self._open:
            self._look(*self._open[job.id], self._clock())

    def figures(self) -> dict[str, int]:
        """Counts since the start, by what has become of the jobs so far.

        Credit of a job that failed, was canceled, or was a dry run is released: its circuits are not paid.
        """
        self._look_at_all()
        return {
            "jobs_canceled": self._canceled_jobs,
            "jobs_failed": self._failed_jobs,
            "circuits_distinct": self._distinct,
            "circuits_duplicate": self._accepted - self._distinct,
            "circuits_paid": self._accepted - self._released,
        }

    def documents(self) -> list[dict[str, Any]]:
        """The entries as JSON, oldest first."""
        self._look_at_all()
        return [entry.document() for entry in self._entries]

    def _meet(self, circuit: bytes) -> None:
        if circuit in self._known:
            return
        self._distinct += 1
        self._known[circuit] = None
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]

    def _look_at_all(self) -> None:
        now = self._clock()
        for entry, job in list(self._open.values()):
            self._look(entry, job, now)

    def _look(self, entry: _Entry, job: Job, now: float) -> None:
        entry.state = job.state(now)
        if entry.state not in FINAL:
            return
        del self._open[entry.id]
        self._canceled_jobs += entry.state is State.CANCELED
        self._failed_jobs += entry.state is State.FAILED
        if entry.dry_run or entry.state is not State.COMPLETED:
            self._released += entry.circuits
