"""Many circuits in one call: checked, compiled and queued a chunk at a time, each with an end of its own.

A chunk leaves while the next circuits are still to come, so memory holds one chunk, however many circuits there are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
from celery import states
from celery.result import AsyncResult, ResultSet
from celery.utils import uuid
from qiskit import QuantumCircuit
from vine import barrier  # type: ignore[import-untyped]  # it publishes no types

from qstore.app import app
from qstore.bell import ring_for
from qstore.door import Door, door
from qstore.entries import Finish
from qstore.errors import InvalidJobError, InvalidParameterValuesError, QstoreError, StoreUnavailableError
from qstore.job import Options
from qstore.options import parse_options
from qstore.preparation import Caller, Preparation, Prepared
from qstore.progress import Progress, shown
from qstore.submission import Submitted
from qstore.tasks import ended, promise

_MOST = 500  # circuits in a chunk: some 1 MB of small ones
_TABLE = 2  # dimensions
_AGE = 0.05  # seconds after which a chunk leaves, full or not

_UNKNOWN = "whether it was queued is not known, as Redis did not answer; its id tells, in a new AsyncResult."
_NOT_SENT = "it was not submitted, as Redis stopped answering before."


def submit_circuits(
    circuits: Iterable[object] | QuantumCircuit | str,
    *,
    parameter_values: Iterable[object] | None = None,
    progress: Progress = None,
    **options: Any,
) -> ResultSet:
    """Submit many circuits in one call; the first are on their way while later ones are still read.

    Or one circuit with free parameters, and many values for them: it is taken apart and (at levels 0 and 1) compiled
    once, and each circuit is the one `assign_parameters` would make, with the same fingerprint.

        submit_circuits(ansatz, parameter_values=[[0.1, 0.2], [0.1, 0.3]], shots=1000)

    Every circuit ends for itself. One that cannot run as asked, or finds the queue full, is a failed job with the
    error that `submit_circuit.delay` raises, for every process to read; its message begins with `Circuit 17: `. If
    Redis goes away in the middle, what was queued stays queued, and every later job fails with
    `StoreUnavailableError`, in this process only. If reading the circuits fails, what was queued is canceled.

    See `qstore.completion` for how to wait for thousands of jobs and see them come in.

    Args:
        circuits: As `submit_circuit` takes them; any iterable, a generator too. With `parameter_values` one circuit.
        parameter_values: For each circuit to run, a value for each parameter: a sequence or an array in the order of
            `circuit.parameters`, or a mapping from parameters or their names. Any iterable, a generator or a 2-D array.
        progress: A bar on stderr: None where that is a terminal, True always, False never. Or a callable, which is
            told `(done, total)` after each chunk, with None where the circuits have no length.
        **options: As `submit_circuit` takes them, for all.

    Returns:
        A Celery `ResultSet`, in the order of the circuits.

    Raises:
        InvalidJobError: An option is wrong; `circuits` is one circuit, or with `parameter_values` it is not, or no
            values could make it run. Nothing was queued.
        StoreUnavailableError: Redis does not answer from the start.
    """
    parsed = parse_options(options)
    opened = door()
    source, prepare = (
        _circuits(circuits, opened.preparation, parsed)
        if parameter_values is None
        else _members(circuits, parameter_values, opened.preparation, parsed)
    )
    call = _Call(opened, prepare)
    with shown(progress, "submitted", len(source) if isinstance(source, Sized) else None) as show:
        try:
            for each in source:
                call.take(each)
                if call.due:
                    call.send()
                    show(call.counts)
            call.send()
            show(call.counts)
        except BaseException as error:
            call.undo(error)
            raise
    return ResultSet(call.results, app=app, ready_barrier=_WhenAsked(call.results))


_Prepare = Callable[[Caller, object], Prepared]


def _circuits(circuits: Any, preparation: Preparation, options: Options) -> tuple[Iterable[object], _Prepare]:
    """What to go through, and what makes a job of each."""
    if isinstance(circuits, (str, bytes, QuantumCircuit)):
        raise InvalidJobError("submit_circuits takes many circuits; for one there is submit_circuit.delay(circuit).")
    return circuits, lambda caller, circuit: preparation.prepare(caller, circuit, options)


def _members(
    template: object, bindings: Any, preparation: Preparation, options: Options
) -> tuple[Iterable[object], _Prepare]:
    """The same for one circuit and many values."""
    if not isinstance(template, (str, QuantumCircuit)):
        raise InvalidJobError(
            f"parameter_values go with one circuit, not with {type(template).__qualname__}: submit each circuit with "
            "the values for it."
        )
    if isinstance(bindings, (str, bytes, Mapping)) or not isinstance(bindings, Iterable):
        raise InvalidParameterValuesError(
            "parameter_values are a sequence with the values of one circuit after those of another, not "
            f"{type(bindings).__qualname__}: put them in a list."
        )
    if isinstance(bindings, np.ndarray) and bindings.ndim != _TABLE:
        raise InvalidParameterValuesError(
            f"parameter_values as an array have 2 dimensions, a row for each circuit, not {bindings.ndim}."
        )
    family = preparation.family(template, options)
    return bindings, lambda caller, values: preparation.prepare_member(caller, family, values, options)


class _Call:
    """One call under way: a chunk that fills, and the jobs of those that left.

    Args:
        opened: What a producer works with.
        prepare: Makes a job of what is taken.

    Attributes:
        results: In the order of the circuits, but for those of the chunk.
        counts: How many there are of each kind.
    """

    def __init__(self, opened: Door, prepare: _Prepare) -> None:
        self.results: list[AsyncResult] = []
        self.counts: Counter[str] = Counter(queued=0, joined=0, cached=0, failed=0)
        self._submission = opened.submission
        self._entries = opened.entries
        self._cancellations = opened.cancellations
        self._prepare = prepare
        self._chunk: dict[str, Prepared | QstoreError] = {}  # by job id
        self._since = time.monotonic()
        self._sent: list[str] = []  # ids of jobs that may be queued
        self._answered = False  # whether Redis ever did
        self._gone: StoreUnavailableError | None = None  # what becomes of every circuit from then on

    @property
    def due(self) -> bool:
        """Whether the chunk has to leave."""
        return len(self._chunk) >= _MOST or time.monotonic() - self._since > _AGE

    def take(self, given: object) -> None:
        """Check one more circuit, or the values for one, for the chunk."""
        job_id = uuid()
        try:
            self._chunk[job_id] = self._gone or self._prepare(Caller(job_id), given)
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
