"""The jobs the stand-in knows, most recent last.

Memory stays bounded: finished jobs are forgotten, oldest first, once they are older than `max_age`, or once
more than `max_circuits` circuits or `max_bytes` bytes of results are kept. Unfinished jobs never are.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from qstore.sandbox.ionq.book import Book
from qstore.sandbox.ionq.job import FINAL, Job, State
from qstore.sandbox.ionq.order import Order


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a list shows; None shows all. Children are listed only by `ids` or `parent_id`.

    Attributes:
        ids: Only these.
        parent_id: Only the children of this job.
        state: Only those in this state.
        backends: Only those on these.
        session_id: Only those of this session.
    """

    ids: frozenset[str] | None = None
    parent_id: str | None = None
    state: State | None = None
    backends: frozenset[str] | None = None
    session_id: str | None = None

    def matches(self, job: Job, now: float) -> bool:
        """Whether a job passes everything but `ids`."""
        return (
            (self.ids is not None or job.parent_id == self.parent_id)
            and (self.state is None or job.state(now) is self.state)
            and (self.backends is None or job.order.backend.name in self.backends)
            and (self.session_id is None or job.order.session_id == self.session_id)
        )


class Ledger:
    """Keeps jobs.

    Args:
        latency: Seconds each job takes.
        max_age: Seconds after which a finished job may be forgotten.
        max_circuits: Circuits kept.
        max_bytes: Bytes of results kept.
        clock: Epoch seconds.

    Attributes:
        book: What became of every job there ever was.
    """

    def __init__(
        self,
        latency: float = 0.0,
        max_age: float = 3600.0,
        max_circuits: int = 100_000,
        max_bytes: int = 512 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.latency = latency
        self.clock = clock
        self._max_age = max_age
        self._max_circuits = max_circuits
        self._max_bytes = max_bytes
        self.book = Book(clock)
        self._jobs: dict[str, Job] = {}
        self._children: dict[str, Job] = {}
        self._serials = itertools.count(1)
        self._circuits = 0
        self._bytes = 0

    def accept(self, order: Order) -> Job:
        """Enter a job, and a child for each circuit where it has many."""
        now = self.clock()
        singles = [work.gate_counts for work in order.works]
        job = Job(
            id=str(uuid.uuid4()),
            serial=next(self._serials),
            order=order,
            type=order.type,
            name=order.name,
            qubits=max(work.qubits for work in order.works),
            gate_counts=(sum(one for one, _ in singles), sum(more for _, more in singles)),
            submitted_at=now,
            latency=self.latency,
        )
        if order.multi:
            job.children = tuple(
                Job(
                    id=str(uuid.uuid4()),
                    serial=next(self._serials),
                    order=order,
                    type="ionq.circuit.v1",
                    name=work.name,
                    qubits=work.qubits,
                    gate_counts=counts,
                    submitted_at=now,
                    latency=self.latency,
                    parent_id=job.id,
                )
                for work, counts in zip(order.works, singles, strict=True)
            )
        self._jobs[job.id] = job
        self._children.update((child.id, child) for child in job.children)
        self._circuits += len(job.leaves)
        self.book.enter(job)
        self._forget(now)
        return job

    def weigh(self, job: Job) -> None:
        """Take note of the results a job now has."""
        if job.id in self._jobs:
            self._bytes += job.size

    def find(self, job_id: str) -> Job | None:
        """The job or child of that id."""
        job = self._jobs.get(job_id) or self._children.get(job_id)
        return None if job is None or self.clock() >= job.forgotten_from else job

    def search(self, only: Filter, limit: int, before: int | None = None) -> tuple[list[Job], int | None]:
        """A page of jobs, most recent first.

        Args:
            only: Which.
            limit: How many at most.
            before: Where the page before ended.

        Returns:
            The page, and where the next one begins, None where there is none.
        """
        now = self.clock()
        matching = (
            job for job in self._candidates(only) if (before is None or job.serial < before) and only.matches(job, now)
        )
        page = list(itertools.islice(matching, limit + 1))
        return page[:limit], page[limit - 1].serial if len(page) > limit else None

    def delete(self, job: Job) -> None:
        """Forget a job and its children at once, whatever its state."""
        job.cancel(self.clock())
        if job.parent_id is not None:
            self._children.pop(job.id, None)
            return
        if self._jobs.pop(job.id, None) is None:
            return
        self.book.close(job)
        for child in job.children:
            self._children.pop(child.id, None)
        self._circuits -= len(job.leaves)
        self._bytes -= job.size

    def _candidates(self, only: Filter) -> Iterator[Job]:
        """A superset of what a filter lets pass, most recent first, found without looking at every job."""
        found: Iterable[Job | None]
        if only.ids is not None:
            found = map(self.find, only.ids)
        elif only.parent_id is not None:
            parent = self.find(only.parent_id)
            found = (self.find(child.id) for child in parent.children) if parent else ()
        else:
            now = self.clock()
            return (job for job in reversed(self._jobs.values()) if job.listed_from <= now < job.forgotten_from)
        known = (job for job in found if job is not None)
        return iter(sorted(known, key=lambda job: job.serial, reverse=True))

    def _forget(self, now: float) -> None:
        """Keep within bounds, looking at the oldest jobs only; those still under way are passed over."""
        for job in list(itertools.islice(self._jobs.values(), 100)):
            crowded = self._circuits > self._max_circuits or self._bytes > self._max_bytes
            if not crowded and now - job.submitted_at < self._max_age:
                return
            if job.state(now) in FINAL:
                self.delete(job)
