"""How a Celery call is read: what is asked, who asks, and whether Celery itself has to carry it.

Every option of Celery is taken; those that only tell how a message is sent mean nothing where none is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from numbers import Integral, Real
from typing import Any

from celery import Task
from celery.app.task import get_actual_ignore_result
from celery.utils.time import maybe_iso8601, maybe_make_aware
from qiskit import QuantumCircuit

from qstore.circuits.codec import encode
from qstore.errors import InvalidJobError, InvalidOptionError
from qstore.preparation import Caller

LAST = 9
"""The priority that goes last, as Celery has it on Redis; 0 goes first."""

_CARRIED = ("link", "link_error", "chain", "chord", "countdown", "eta", "retries", "queue", "routing_key", "exchange")
_WAITED_FOR = ("link", "link_error", "chain", "chord")
_CANVAS = ("group_id", "chain", "chord", "parent_id", "reply_to")


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


def portable(value: Any) -> Any:
    """An argument as a message can carry it: circuits become text, numbers of NumPy and enumerations plain values."""
    if isinstance(value, QuantumCircuit):
        return encode(value)
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def is_carried(options: Mapping[str, Any]) -> bool:
    """Whether a call has to travel as a message: something waits on it, it has to wait, or it names its way."""
    return any(options.get(name) for name in _CARRIED)


def has_to_wait(options: Mapping[str, Any]) -> bool:
    """Whether a call has to travel for another reason than that something waits on it."""
    return any(options.get(name) for name in _CARRIED if name not in _WAITED_FOR)


def is_revoked(job_id: str) -> bool:
    """Whether this process is a worker that was told to drop the job, as one may be before its turn in a chain.

    It has to travel then, as Celery drops messages.
    """
    state = sys.modules.get("celery.worker.state")  # only workers have it
    return state is not None and job_id in state.revoked


def is_of_canvas(options: Mapping[str, Any]) -> bool:
    """Whether a canvas makes the call: somebody holds the job's id by then, and an exception would reach another."""
    return any(options.get(name) for name in _CANVAS)


def inherited(task: Task, options: Mapping[str, Any]) -> dict[str, Any]:
    """A call's options with what Celery adds: the task's own defaults, and what comes from the task that calls.

    Args:
        task: Which is called.
        options: As given to `apply_async`.
    """
    full = {"ignore_result": task.ignore_result, **options}
    conf, parent = task.app.conf, task.app.current_worker_task
    priorities = [full.get("priority"), task.priority, conf.task_default_priority]
    if parent is not None:
        request = parent.request
        full["root_id"] = full.get("root_id") or request.root_id or request.id
        full["parent_id"] = full.get("parent_id") or request.id
        if conf.task_inherit_parent_priority:
            priorities.append((request.delivery_info or {}).get("priority"))
    full["priority"] = next((each for each in priorities if each is not None), None)
    return full


def delivered(task: Task) -> dict[str, Any]:
    """The options that the message was sent with which a task executes."""
    request = task.request
    return {
        **request.as_execution_options(),
        "ignore_result": get_actual_ignore_result(task, request),
        "priority": (request.delivery_info or {}).get("priority"),
    }


def read_caller(job_id: str, options: Mapping[str, Any]) -> Caller:
    """Who asks.

    Args:
        job_id: The Celery task id.
        options: As `inherited` or `delivered` give them.

    Raises:
        InvalidOptionError: `expires` is no time.
    """
    stamps = {name: options[name] for name in options.get("stamped_headers") or () if name in options}
    return Caller(
        job_id,
        root_id=options.get("root_id"),
        parent_id=options.get("parent_id"),
        priority=read_priority(options.get("priority")),
        expires=read_expires(options.get("expires"), time.time()),
        ignore_result=bool(options.get("ignore_result")),
        stamps=stamps or None,
        shadow=options.get("shadow"),
        argsrepr=options.get("argsrepr"),
    )


def read_priority(given: Any) -> int:
    """A priority from 0 to 9, as Celery's Redis transport reads it: what is beyond goes to the end, no number is 0."""
    try:
        return min(max(int(given), 0), LAST)
    except (TypeError, ValueError, OverflowError):
        return 0


def read_expires(given: Any, now: float) -> float | None:
    """The epoch seconds after which a job is dropped, as Celery reads them.

    Args:
        given: Seconds from now, or a time as `datetime` or ISO 8601 text, in UTC where it names no zone.
        now: Epoch seconds.

    Raises:
        InvalidOptionError: It is none of these.
    """
    if given is None:
        return None
    try:
        if isinstance(given, Real):
            at = datetime.fromtimestamp(now, UTC) + timedelta(seconds=float(given))
        else:
            at = maybe_make_aware(maybe_iso8601(given))
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise InvalidOptionError(
            f"expires must be seconds, a datetime or a time in ISO 8601, not {given!r}."
        ) from error
    return at.timestamp()
