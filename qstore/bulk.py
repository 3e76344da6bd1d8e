"""Many circuits in one call: checked, compiled and queued a chunk at a time, each with an end of its own.

A chunk leaves while the next circuits are still to come, so memory holds one chunk, however many circuits there are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from typing import Any

from celery import states
from celery.result import AsyncResult, ResultSet
from celery.utils import uuid
from qiskit import QuantumCircuit
from vine import barrier  # type: ignore[import-untyped]  # it publishes no types

from qstore.app import app
from qstore.door import Door, door
from qstore.entries import Finish
from qstore.errors import InvalidJobError, QstoreError, StoreUnavailableError
from qstore.job import Options
from qstore.options import parse_options
from qstore.progress import Progress, shown
from qstore.submission import Caller, Prepared, Submitted
from qstore.tasks import ended, promise, ring_for

_MOST = 500  # circuits in a chunk: some 1 MB of small ones
_AGE = 0.05  # seconds after which a chunk leaves, full or not

_UNKNOWN = "whether it was queued is not known, as Redis did not answer; its id tells, in a new AsyncResult."
_NOT_SENT = "it was not submitted, as Redis stopped answering before."


def submit_circuits(circuits: Iterable[object], *, progress: Progress = None, **options: Any) -> ResultSet:
    """Submit many circuits in one call; the first are on their way while later ones are still read.

    Every circuit ends for itself. One that cannot run as asked, or finds the queue full, is a failed job with the
    error that `submit_circuit.delay` raises, for every process to read; its message begins with `Circuit 17: `. If
    Redis goes away in the middle, what was queued stays queued, and every later job fails with
    `StoreUnavailableError`, in this process only. If reading the circuits fails, what was queued is canceled.

    See `qstore.completion` for how to wait for thousands of jobs and see them come in.

    Args:
        circuits: As `submit_circuit` takes them; any iterable, a generator too.
        progress: A bar on stderr: None where that is a terminal, True always, False never. Or a callable, which is
            told `(done, total)` after each chunk, with None where the circuits have no length.
        **options: As `submit_circuit` takes them, for all.

    Returns:
        A Celery `ResultSet`, in the order of the circuits.

    Raises:
        InvalidJobError: An option is wrong, or `circuits` is one circuit; nothing was queued.
        StoreUnavailableError: Redis does not answer from the start.
    """
    parsed = parse_options(options)
    if isinstance(circuits, (str, bytes, QuantumCircuit)):
        raise InvalidJobError("submit_circuits takes many circuits; for one there is submit_circuit.delay(circuit).")
    call = _Call(door(), parsed)
    with shown(progress, "submitted", len(circuits) if isinstance(circuits, Sized) else None) as show:
        try:
            for circuit in circuits:
                call.take(circuit)
                if call.due:
                    call.send()
                    show(call.counts)
            call.send()
            show(call.counts)
        except BaseException as error:
            call.undo(error)
            raise
    return ResultSet(call.results, app=app, ready_barrier=_WhenAsked(call.results))


class _Call:
    """One call under way: a chunk that fills, and the jobs of those that left.

    Args:
        opened: What a producer works with.
        options: For all circuits.

    Attributes:
        results: In the order of the circuits, but for those of the chunk.
        counts: How many there are of each kind.
    """

    def __init__(self, opened: Door, options: Options) -> None:
        self.results: list[AsyncResult] = []
        self.counts: Counter[str] = Counter(queued=0, joined=0, cached=0, failed=0)
        self._submission = opened.submission
        self._entries = opened.entries
        self._cancellations = opened.cancellations
        self._options = options
        self._chunk: dict[str, Prepared | QstoreError] = {}  # by job id
        self._since = time.monotonic()
        self._sent: list[str] = []  # ids of jobs that may be queued
        self._answered = False  # whether Redis ever did
        self._gone: StoreUnavailableError | None = None  # what becomes of every circuit from then on

    @property
    def due(self) -> bool:
        """Whether the chunk has to leave."""
        return len(self._chunk) >= _MOST or time.monotonic() - self._since > _AGE

    def take(self, circuit: object) -> None:
        """Check one more circuit, for the chunk."""
        job_id = uuid()
        try:
            self._chunk[job_id] = self._gone or self._submission.prepare(Caller(job_id), circuit, self._options)
        except InvalidJobError as error:
            self._chunk[job_id] = error

    def send(self) -> None:
        """Let the chunk leave, and begin another.

        Raises:
            StoreUnavailableError: Redis does not answer, and never did.
        """
        ends: dict[str, Submitted | QstoreError] = {}
        jobs: dict[str, Prepared] = {}
        for job_id, each in self._chunk.items():
            if isinstance(each, Prepared):
                jobs[job_id] = each
            else:
                ends[job_id] = each
        self._sent += jobs
        try:
            submitted = self._submission.submit(list(jobs.values()))
        except StoreUnavailableError as error:
            self._lose(error)
            ends |= dict.fromkeys(jobs, StoreUnavailableError(f"{_UNKNOWN} {error}"))
        else:
            self._answered = self._answered or bool(jobs)
            ring_for(submitted)
            ends |= {each.job_id: each.error or each for each in submitted}
        self._end([(job_id, ends[job_id]) for job_id in self._chunk])
        self._chunk = {}
        self._since = time.monotonic()

    def undo(self, error: BaseException) -> None:
        """Cancel what was queued, as nobody gets a handle on it."""
        try:
            for start in range(0, len(self._sent), _MOST):
                self._cancellations.cancel(self._sent[start : start + _MOST])
        except StoreUnavailableError as why:
            error.add_note(f"Up to {len(self._sent):,} circuits were queued before, and could not be canceled. {why}")

    def _end(self, ends: Sequence[tuple[str, Submitted | QstoreError]]) -> None:
        """Make the results of the chunk, and write failures where every process finds them."""
        failures: list[Finish] = []
        results: list[AsyncResult] = []
        for number, (job_id, end) in enumerate(ends, len(self.results)):
            if isinstance(end, Submitted):
                results.append(promise(end))
                self.counts["cached" if end.result else "joined" if end.joined else "queued"] += 1
            else:
                error = type(end)(f"Circuit {number}: {end}")
                results.append(ended(job_id, states.FAILURE, error))
                self.counts["failed"] += 1
                if not isinstance(error, StoreUnavailableError):
                    failures.append(Finish(job_id, error))
        if failures and not self._gone:
            try:
                self._entries.finish(failures)
                self._answered = True
            except StoreUnavailableError as error:
                self._lose(error)
        self.results += results

    def _lose(self, error: StoreUnavailableError) -> None:
        """Give Redis up for the rest of the call; raise where it never answered."""
        if not self._answered:
            self._sent.clear()
            raise error
        self._gone = StoreUnavailableError(f"{_NOT_SENT} {error}")


class _WhenAsked(barrier):  # type: ignore[misc]  # vine has no types
    """Has a `ResultSet` listen for its jobs when somebody waits for it, and only for those whose end is not known.

    Celery's own barrier subscribes to each job while the set is made: ten thousand commands to Redis nobody may need,
    and an error in place of the set where Redis is gone.
    """

    def __init__(self, results: list[AsyncResult]) -> None:
        super().__init__()
        self._results = results

    def finalize(self) -> None:
        """Listen; Celery calls this whenever somebody begins to wait for the set."""
        if not self.finalized:
            for result in self._results:
                if result._cache is None:  # noqa: SLF001 - as above
                    self.add(result)
        super().finalize()
