"""The door: `submit_circuit`, a Celery task like any other.

A call from a producer goes through the pipeline at once and only rings a bell. A call that arrives at a worker as
a message (`send_task`, a canvas, a countdown) goes through the same pipeline there. Either way the work waits in
Redis, and the job ends when its run does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from celery import Signature, Task
from celery.exceptions import Ignore
from celery.result import AsyncResult
from celery.utils import uuid
from kombu.exceptions import OperationalError
from qiskit import QuantumCircuit
from redis.exceptions import RedisError

import qstore.door
from qstore.answer import from_answer
from qstore.app import app
from qstore.circuits.codec import encode
from qstore.errors import InvalidJobError, QstoreError, StoreUnavailableError
from qstore.options import parse_options
from qstore.state.claims import Claims
from qstore.submission import Caller, Prepared, Submission, Submitted

WAKE = "qstore_wake"
"""Header of the second delivery of a job that something waits for: its outcome is known."""

_TRAVELS = ("link", "link_error", "chain", "chord", "countdown", "eta", "expires", "retries")

logger = logging.getLogger(__name__)


def door() -> tuple[Submission, Claims]:
    """The producer's pipeline, and what it claims."""
    opened = qstore.door.door()
    return opened.submission, opened.claims


def ring_for(submitted: Iterable[Submitted]) -> None:
    """Ask the workers to dispatch every group in which a batch is full.

    The bell carries no work. Where it cannot be sent the runs are safe all the same: they wait in Redis, and the
    replicas' loops send what waited long enough, full or not.
    """
    for group in {answer.full for answer in submitted if answer.full is not None}:
        try:
            app.send_task("qstore.dispatch", [group.to_json()], ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            logger.warning("No bell for %s, a replica will find it: %s", group, error)


def split_arguments(args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
    """The circuit and the options of a call: `(circuit, shots=1000, …)` or `(circuit, 1000, …)`.

    Raises:
        InvalidJobError: There is no circuit, or too many positional arguments.
    """
    options = dict(kwargs or {})
    values = list(args or ())
    if "circuit" in options:
        values.insert(0, options.pop("circuit"))
    if not values:
        raise InvalidJobError("submit_circuit needs a circuit: submit_circuit.delay(circuit, shots=1000).")
    circuit, *rest = values
    if rest and "shots" not in options:
        options["shots"] = rest.pop(0)
    if rest:
        raise InvalidJobError(
            "submit_circuit takes a circuit and its shots, and everything else by name: "
            "submit_circuit.delay(circuit, 1000, backend='simulator')."
        )
    return circuit, options


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
        reuse: False runs the circuit afresh, whatever is cached or running.
        memory: True lists every shot.
        name: What Flower shows; the circuit's own name by default.

    Raises:
        InvalidJobError: The job cannot run as asked: at the call, or as FAILURE of a job that came as a message.
        QueueFull: As many jobs wait as may, `QSTORE_MAX_QUEUED_JOBS`; raised after `QSTORE_QUEUE_TIMEOUT`.
        StoreUnavailableError: Redis does not answer, within a second.
    """

    name = "qstore.submit_circuit"
    typing = False  # arguments are checked here, with errors of our own
    throws = (QstoreError,)  # a fault of the caller is no stack trace in the worker's log

    def signature(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, *rest: Any, **options: Any
    ) -> Signature:
        """As Celery's. A signature may travel inside another task's message, so circuits in it become text."""
        texts = {name: _portable(value) for name, value in (kwargs or {}).items()}
        return super().signature(tuple(map(_portable, args or ())), texts, *rest, **options)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult:
        """As Celery's. The circuit goes through the pipeline here; what Celery itself has to carry travels.

        Raises:
            InvalidJobError: The job cannot run as asked; nothing was queued.
            QueueFull: As many jobs wait as may; nothing was queued.
            StoreUnavailableError: Redis does not answer.
        """
        if (options.get("headers") or {}).get(WAKE):
            return super().apply_async(args, kwargs, **options)
        circuit, asked = split_arguments(args, kwargs)
        submission, _ = door()
        job_id = options.pop("task_id", None) or uuid()
        caller = Caller(job_id, root_id=options.get("root_id"), parent_id=options.get("parent_id"))
        prepared = submission.prepare(caller, circuit, parse_options(asked))
        if app.conf.task_always_eager or any(options.get(name) for name in _TRAVELS):
            return self._send(circuit, asked, prepared, options)
        (submitted,) = submission.submit([prepared])
        if submitted.error is not None:
            raise submitted.error
        ring_for([submitted])
        return promise(submitted)

    def _send(
        self, circuit: object, asked: Mapping[str, Any], prepared: Prepared, options: dict[str, Any]
    ) -> AsyncResult:
        """Hand a checked job to Celery as a message."""
        if not app.conf.task_always_eager:
            submission, _ = door()
            submission.mark_queued(prepared)  # with Redis down this fails at once; Celery itself would go on trying
        options.setdefault("argsrepr", prepared.ask.job.summary)
        options.setdefault("kwargsrepr", "{}")
        options.setdefault("retry", False)
        try:
            return super().apply_async([_portable(circuit)], dict(asked), task_id=prepared.ask.job.job_id, **options)
        except (OperationalError, RedisError) as error:
            raise StoreUnavailableError(
                f"Redis does not take the job: {error}. Check QSTORE_REDIS_URL and that Redis is up."
            ) from error

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """At a worker: the same pipeline; the job ends later, when its run does."""
        submission, claims = door()
        request = self.request
        if request.get(WAKE):
            answer = claims.woken(request.id)
            if answer is not None:
                return from_answer(answer)
        elif (request.delivery_info or {}).get("redelivered") and self.AsyncResult(request.id).ready():
            raise Ignore  # its first delivery went all the way, only the acknowledgment was lost
        circuit, asked = split_arguments(args, kwargs)
        waits = any((request.chain, request.callbacks, request.errbacks, request.chord))
        wake = dict(self.signature_from_request(request, args, kwargs, headers={WAKE: True})) if waits else None
        caller = Caller(request.id, delivered=True, wake=wake, root_id=request.root_id, parent_id=request.parent_id)
        (submitted,) = submission.submit([submission.prepare(caller, circuit, parse_options(asked))])
        if submitted.error is not None:
            raise submitted.error
        if submitted.result is not None:
            return submitted.result
        ring_for([submitted])
        raise Ignore


def _portable(value: Any) -> Any:
    return encode(value) if isinstance(value, QuantumCircuit) else value


def promise(submitted: Submitted) -> AsyncResult:
    """The caller's handle; what the cache knew is in it already, without a trip."""
    result = submit_circuit.AsyncResult(submitted.job_id)
    if submitted.result is not None:
        result._cache = {  # noqa: SLF001 - Celery's own place for an answer that is known
            "status": "SUCCESS",
            "result": submitted.result,
            "traceback": None,
            "children": [],
            "task_id": submitted.job_id,
        }
    return result


submit_circuit = app.register_task(SubmitCircuit())
