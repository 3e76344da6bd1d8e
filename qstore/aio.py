"""The door for asyncio services: the public face again, without ever blocking the event loop.

from qstore import aio

(await aio.submit(circuit, shots=1000, timeout=60))["counts"]

Qiskit's work and the trips to Redis run in a few threads; all who wait in an event loop share one subscription. Both
open on first use, belong to the running loop, and end with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from celery.result import AsyncResult, ResultSet

from qstore import bulk, cancellation, job_status
from qstore.app import app, settings
from qstore.ends import wait_for
from qstore.job_status import Status
from qstore.listener import Listener
from qstore.result import Result
from qstore.tasks import submit_circuit

P = ParamSpec("P")
T = TypeVar("T")

# Qiskit keeps the interpreter to itself, so more threads submit no more circuits, and the loop waits for each of them.
_THREADS = 4


async def submit(
    circuit: object,
    *args: Any,
    timeout: float | None = None,  # noqa: ASYNC109 - a word of Celery's `get()`, as everywhere here
    **options: Any,
) -> Result:
    """Execute a circuit and return its counts.

    Args:
        circuit: As `submit_circuit` takes it.
        *args: The number of shots, if not by name.
        timeout: Seconds to wait. After that, as where the awaiting task is canceled, a job that was queued goes on;
            whoever submits the same circuit again joins it.
        **options: As `submit_circuit` takes them.

    Raises:
        InvalidJobError: The job cannot run as asked; nothing was queued.
        QueueFull: As many jobs wait as may; nothing was queued.
        StoreUnavailableError: Redis does not take the job, or is away for long while it is waited for.
        TimeoutError: There is no result yet.
        TaskRevokedError: The job was canceled, or expired.
        QstoreError: Why the job failed, as `AsyncResult.get()` raises it.
    """
    async with asyncio.timeout(timeout):
        result: Result = await get(await delay(circuit, *args, **options))
        return result


async def submit_circuits(
    circuits: Iterable[object],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - see `submit`
    return_exceptions: bool = False,
    **options: Any,
) -> list[Any]:
    """Execute many circuits, pipelined.

    Args:
        circuits: As `submit_circuits` takes them.
        timeout: Seconds to wait for all of them; the jobs go on after that.
        return_exceptions: Whether errors stand among the results, as with `asyncio.gather`; else the first one heard of
            is raised, and the other jobs go on.
        **options: As `submit_circuits` takes them, for all.

    Returns:
        The results, in the order of the circuits.

    Raises:
        Exception: What `submit_circuits` raises, and what `submit` does.
    """
    async with asyncio.timeout(timeout):
        jobs = await _in_thread(bulk.submit_circuits, circuits, **{"progress": False, **options})
        results: list[Any] = await get(jobs, return_exceptions=return_exceptions)
        return results


async def delay(*args: Any, **options: Any) -> AsyncResult:
    """Queue a circuit, and return the handle of its job, as `submit_circuit.delay`.

    The handle's own properties (`state`, `result`, `get()`…) ask Redis and block: see `status` and `get` instead.

    Raises:
        InvalidJobError: The job cannot run as asked; nothing was queued.
        QueueFull: As many jobs wait as may; nothing was queued.
        StoreUnavailableError: Redis does not take the job.
    """
    return await _in_thread(submit_circuit.delay, *args, **options)


async def apply_async(
    args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
) -> AsyncResult:
    """Queue a circuit with Celery's options, as `submit_circuit.apply_async`; raises what `delay` raises."""
    return await _in_thread(submit_circuit.apply_async, args, kwargs, **options)


async def get(
    job: AsyncResult | ResultSet | str,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - see `submit`
    return_exceptions: bool = False,
) -> Any:
    """Wait for a job, or for every job of a group, as Celery's own `get()`.

    Redis may come and go meanwhile.

    Args:
        job: A job's handle or id, a `GroupResult` or a `ResultSet`.
        timeout: Seconds to wait; the job goes on after that, as where the awaiting task is canceled.
        return_exceptions: Whether an error is returned in the place of a result; else the first is raised.

    Returns:
        The job's result; a list of them in the group's order.

    Raises:
        TimeoutError: There is no result yet.
        StoreUnavailableError: Redis is away for long; the job goes on.
        TaskRevokedError: The job was canceled, or expired.
        QstoreError: Why the job failed, as `AsyncResult.get()` raises it.
    """
    result = app.AsyncResult(job) if isinstance(job, str) else job
    async with asyncio.timeout(timeout):
        return await wait_for(result, _here().listener, return_exceptions=return_exceptions)


async def status(job: AsyncResult | str) -> Status:
    """How far a job is, as `qstore.status`.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    return await _in_thread(job_status.status, job)


async def cancel(*jobs: AsyncResult | str) -> list[bool]:
    """End jobs that have no counts yet, as `qstore.cancel`.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    return await _in_thread(cancellation.cancel, *jobs)


async def close() -> None:
    """Close what qstore has open in this event loop; whoever still waits there gets a `StoreUnavailableError`.

    For loops that outlive their use of qstore, or that end without canceling their tasks, as `asyncio.run` does. Any
    later call opens it anew.
    """
    resources = _resources.pop(asyncio.get_running_loop(), None)
    if resources is not None:
        resources.threads.shutdown(wait=False)  # what they have begun they finish
        await resources.listener.close()


@dataclass(frozen=True, slots=True)
class _Resources:
    """What one event loop has of its own."""

    threads: ThreadPoolExecutor
    listener: Listener


# Found by the loop they belong to: a process may run several, one after another or one in each thread.
_resources: WeakKeyDictionary[asyncio.AbstractEventLoop, _Resources] = WeakKeyDictionary()


def _here() -> _Resources:
    loop = asyncio.get_running_loop()
    if loop not in _resources:
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="qstore-aio")
        _resources[loop] = _Resources(threads, Listener(settings.redis_url, settings.redis_timeout))
    return _resources[loop]


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_here().threads, partial(function, *args, **kwargs))
