"""The door: `submit_circuit`, a Celery task like any other.

A call from a producer goes through the pipeline at once and only rings a bell. A call that arrives at a worker as
a message (`send_task`, a canvas, a countdown) goes through the same pipeline there. Either way the work waits in
Redis, and the job ends when its run does. Only a call that runs in the caller's own process waits for that.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Never

from celery import Signature, Task, chunks, signals, states, xmap, xstarmap
from celery.exceptions import Ignore
from celery.result import AsyncResult
from celery.utils import uuid
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qstore.answer import from_answer, to_answer
from qstore.app import app, settings
from qstore.bell import ring_for
from qstore.calling import (
    delivered,
    has_to_wait,
    inherited,
    is_carried,
    is_of_canvas,
    is_revoked,
    portable,
    read_caller,
    split_arguments,
)
from qstore.door import door
from qstore.errors import (
    InvalidJobError,
    JobIdTakenError,
    JobRevokedError,
    QstoreError,
    QueueFull,
    StoreUnavailableError,
)
from qstore.gathering import Call, Gathering
from qstore.job import TASK, Options
from qstore.mapped import take_over_maps
from qstore.options import parse_options
from qstore.preparation import Caller, Prepared
from qstore.result import Result
from qstore.submission import Submitted

WAKE = "qstore_wake"
"""Header of the second delivery of a job that something waits for: its outcome is known."""

logger = logging.getLogger(__name__)


class SubmitCircuit(Task):  # type: ignore[misc]  # Celery has no types
    """Execute a circuit on IonQ and return its counts; see `qstore.result.Result` for what comes back.

    Args:
        circuit: A `QuantumCircuit`, or OpenQASM 2 or 3 text.
        shots: Number of shots, 1 to 1,000,000; 1000 by default.
        backend: IonQ's name: `simulator` (default), `qpu.forte-1`, …; an `ionq_` prefix is accepted.
        noise_model: Of the simulator: `ideal` (default), `aria-1`, `forte-1`, …
        error_mitigation: `debiasing` or `no_debiasing`, on machines; IonQ's default where left out.
        optimization_level: Qiskit's, 0 to 3; 1 by default, as IonQ recommends.
        seed: Of the draw of counts: the same seed gives the same counts.
        reuse: `always` (default) takes a stored result or joins a running execution, `inflight` only joins, `never`
            runs the circuit afresh, and `bank` buys only the shots that are not banked.
        max_age: Seconds; a stored result that is older does not answer.
        fingerprint_level: Which circuits count as the same: `exact`, `commuting` or `semantic`.
        memory: True lists every shot.
        name: What Flower shows; the circuit's own name by default.

    Raises:
        InvalidJobError: The job cannot run as asked: at the call, or as FAILURE of a job that came as a message.
        QueueFull: As many jobs wait as may, `QSTORE_MAX_QUEUED_JOBS`; raised after `QSTORE_QUEUE_TIMEOUT`.
        StoreUnavailableError: Redis does not answer, within a second.
    """

    name = TASK
    typing = False  # arguments are checked here, with errors of our own
    track_started = False  # STARTED is what a job is while IonQ executes it
    throws = (QstoreError,)  # a fault of the caller is no stack trace in the worker's log
    _gathering = Gathering()

    def signature(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, *rest: Any, **options: Any
    ) -> Signature:
        """As Celery's. A signature may travel inside another task's message, so circuits in it become text."""
        return super().signature(*_portable(args, kwargs), *rest, **options)

    def map(self, it: Iterable[Any]) -> xmap:
        """As Celery's, but the items fill batches: see `qstore.mapped`."""
        return super().map([portable(item) for item in it])

    def starmap(self, it: Iterable[Iterable[Any]]) -> xstarmap:
        """As Celery's, but the items fill batches: see `qstore.mapped`."""
        return super().starmap([tuple(map(portable, item)) for item in it])

    def chunks(self, it: Iterable[Iterable[Any]], n: int) -> chunks:
        """As Celery's, but the items fill batches: see `qstore.mapped`."""
        return super().chunks([tuple(map(portable, item)) for item in it], n)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> AsyncResult:
        """As Celery's. The circuit goes through the pipeline here; what Celery itself has to carry travels.

        A call by which a canvas publishes its members raises no error of the job: the member fails with it.

        Raises:
            InvalidJobError: The job cannot run as asked; nothing was queued.
            QueueFull: As many jobs wait as may; nothing was queued.
            StoreUnavailableError: Redis does not answer.
        """
        named = {"producer": producer, "link": link, "link_error": link_error, "shadow": shadow}
        options |= {name: value for name, value in named.items() if value is not None}
        if (options.get("headers") or {}).get(WAKE) or app.conf.task_always_eager:
            return super().apply_async(*_portable(args, kwargs), task_id=task_id, **options)
        job_id = task_id or uuid()
        try:
            return self._ask(job_id, args, kwargs, options)
        except (InvalidJobError, QueueFull) as error:
            if isinstance(error, JobIdTakenError) or not is_of_canvas(options):
                raise
            return self._end(job_id, error, options)

    def _ask(
        self,
        job_id: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> AsyncResult:
        """Queue a job, or hand it to Celery."""
        full = inherited(self, options)
        caller = read_caller(job_id, full)
        if is_carried(options) or is_revoked(job_id):
            if self._gathering and not has_to_wait(options) and not is_revoked(job_id):
                self._gathering.add(caller, *_portable(args, kwargs), full)
                return self.AsyncResult(job_id)
            return self._send(caller, args, kwargs, full)
        submitted = _submit(caller, args, kwargs)
        result = self.AsyncResult(job_id) if caller.ignore_result else promise(submitted)
        result.ignored = caller.ignore_result
        if (parent := app.current_worker_task) and options.get("add_to_parent", True):
            parent.add_trail(result)
        return result

    def _send(
        self,
        caller: Caller,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> AsyncResult:
        """Check a job here, where the caller sees what is wrong with it, and hand it to Celery as a message."""
        prepared = door().preparation.prepare(caller, *_parsed(args, kwargs))
        door().submission.mark_queued(prepared)  # with Redis down this fails at once; Celery itself would go on trying
        told = {"argsrepr": prepared.ask.job.summary, "kwargsrepr": "{}", **options}
        return self._publish(caller.job_id, *_portable(args, kwargs), told)

    @contextmanager
    def together(self) -> Iterator[None]:
        """At a worker: let the circuits of a canvas that is published in the block go through the pipeline at once.

        They fill batches, where messages that bring them to workers one by one trickle in. They are woken like
        delivered ones; what has to wait for its time, or names its way, travels as ever.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        replaced: Ignore | None = None
        with self._gathering.open() as calls:
            try:
                yield
            except Ignore as error:  # so ends a task that has replaced itself
                replaced = error
        self._submit_all(calls)
        if replaced is not None:
            raise replaced

    def _submit_all(self, calls: Sequence[Call]) -> None:
        """Queue what was gathered; what needs no execution, or cannot run, is woken at once."""
        prepared: list[tuple[Call, Prepared]] = []
        for call in calls:
            try:
                caller = replace(call.caller, wake=self._wake_of(call))
                prepared.append((call, door().preparation.prepare(caller, *_parsed(call.args, call.kwargs))))
            except InvalidJobError as error:
                self._end(call.caller.job_id, error, call.options)
        submitted = door().submission.submit([job for _, job in prepared])
        ring_for(submitted)
        for (call, _), each in zip(prepared, submitted, strict=True):
            if (end := each.error or each.result) is not None:
                self._end(each.job_id, end, call.options)

    def _wake_of(self, call: Call) -> dict[str, Any]:
        """The signature to publish when a gathered call's outcome is known."""
        headers = {**(call.options.get("headers") or {}), WAKE: True}
        options = {**call.options, "task_id": call.caller.job_id, "headers": headers, "expires": None}
        return dict(self.signature(call.args, call.kwargs, options))

    def _end(self, job_id: str, end: QstoreError | Result, options: Mapping[str, Any]) -> AsyncResult:
        """End a member of a canvas: as a woken job, so that Celery goes on with what waits for it."""
        door().claims.wake(job_id, to_answer(end), int(settings.result_expires))
        headers = {**(options.get("headers") or {}), WAKE: True}
        waits_for_nothing = {"countdown": None, "eta": None, "expires": None}
        return self._publish(job_id, (), {}, {**options, **waits_for_nothing, "headers": headers})

    def _publish(
        self, job_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult:
        try:
            return super().apply_async(args, kwargs, task_id=job_id, **{"retry": False, **options})
        except (OperationalError, RedisError) as error:
            raise StoreUnavailableError(
                f"Redis does not take the job: {error}. Check QSTORE_REDIS_URL and that Redis is up."
            ) from error

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """At a worker: the same pipeline; the job ends later, when its run does. Anywhere else: wait for that."""
        request = self.request
        if request.called_directly:
            return self._wait_for(uuid(), inherited(self, {}), args, kwargs)
        if request.is_eager:
            return self._wait_for(request.id, delivered(self), args, kwargs)
        if request.get(WAKE):
            answer = door().claims.woken(request.id)
            if answer is not None:
                return self._woken(answer)
        elif (request.delivery_info or {}).get("redelivered") and self.AsyncResult(request.id).ready():
            raise Ignore  # its first delivery went all the way, only the acknowledgment was lost
        caller = replace(read_caller(request.id, delivered(self)), delivered=True, wake=self._second_delivery())
        try:
            submitted = _submit(caller, args, kwargs)
        except JobIdTakenError as error:
            if caller.wake is not None:
                raise  # what waits for it must not wait for ever
            logger.error("A message is dropped, its id is another job's: %s", error)  # noqa: TRY400 - its words say all
            raise Ignore from error
        if submitted.result is None:
            raise Ignore
        return submitted.result

    def _second_delivery(self) -> dict[str, Any] | None:
        """The signature to publish when the outcome is known, where something waits on the job."""
        request = self.request
        if not any((request.chain, request.callbacks, request.errbacks, request.chord)):
            return None
        headers = {**(request.headers or {}), WAKE: True}
        # a job that came to counts is not dropped any more, however late they come
        return dict(self.signature_from_request(request, headers=headers, expires=None))

    def _woken(self, answer: bytes) -> Any:
        """Return or raise the answer; a job that was revoked while it waited ends as Celery ends such tasks."""
        try:
            return from_answer(answer)
        except JobRevokedError as error:
            self._revoke(error.reason)

    def _revoke(self, reason: str) -> Never:
        request, expired = self.request, reason == "expired"
        self.backend.mark_as_revoked(request.id, reason, request=request, store_result=not request.ignore_result)
        told = {"terminated": False, "signum": None, "expired": expired}
        self.send_event("task-revoked", state=states.REVOKED, **told)
        signals.task_revoked.send(sender=self, request=request, **told)
        raise Ignore

    def _wait_for(self, job_id: str, options: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Submit a job and block until workers have executed it; return its counts, or raise its error."""
        caller = replace(read_caller(job_id, options), ignore_result=False)  # whoever waits wants the result
        submitted = _submit(caller, args, kwargs)
        with _of_workers():
            return promise(submitted).get(disable_sync_subtasks=False)


def _submit(caller: Caller, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> Submitted:
    """Send a call through the pipeline, and ring where that fills a batch."""
    prepared = door().preparation.prepare(caller, *_parsed(args, kwargs))
    (submitted,) = door().submission.submit([prepared])
    if submitted.error is not None:
        raise submitted.error
    ring_for([submitted])
    return submitted


def _parsed(args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[Any, Options]:
    circuit, options = split_arguments(args, kwargs)
    return circuit, parse_options(options)


def _portable(args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(map(portable, args or ())), {name: portable(value) for name, value in (kwargs or {}).items()}


@contextmanager
def _of_workers() -> Iterator[None]:
    """Keep Celery from warning that eager mode stores no results: this one comes from a worker, which does."""
    if not app.conf.task_always_eager:
        yield  # warnings are the whole process's, so in a worker, with its many threads, they are left alone
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Results are not stored in backend", RuntimeWarning)
        yield


def promise(submitted: Submitted) -> AsyncResult:
    """The caller's handle; what the cache knew is in it already, without a trip."""
    if submitted.result is None:
        return submit_circuit.AsyncResult(submitted.job_id)
    return ended(submitted.job_id, states.SUCCESS, submitted.result)


def ended(job_id: str, state: str, value: Any) -> AsyncResult:
    """The handle of a job whose end is known here: it asks nobody.

    Args:
        job_id: The job.
        state: Celery's.
        value: The result, or the exception.
    """
    result = submit_circuit.AsyncResult(job_id)
    result._cache = {  # noqa: SLF001 - Celery's own place for an answer that is known
        "status": state,
        "result": value,
        "traceback": None,
        "children": [],
        "task_id": job_id,
    }
    return result


submit_circuit = app.register_task(SubmitCircuit())
take_over_maps(app)
