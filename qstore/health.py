"""Asks Redis, and over it every replica, whether all is well.

Invariant: it ends, whatever answers, soon after the time it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qstore.errors import StoreUnavailableError
from qstore.state.connection import Connection, translated

T = TypeVar("T")

_SILENCE = 1.0  # seconds without a word after which nobody else is there
_TRANSIT = 2.0  # seconds for question and answer to be on their way
_UNKNOWN = "KeyError('qstore_health')"  # says a worker of something else, in Celery's words


def survey(app: Celery, connection: Connection, timeout: float) -> dict[str, Any]:
    """How all is.

    Args:
        app: Whose workers are asked.
        connection: To Redis.
        timeout: Seconds that a part of a replica may take to answer.

    Returns:
        Plain JSON: `ok`; `problems`, a line for each thing that is not well; `redis`: `ok`, and `seconds` that it took
        to answer; and `replicas`: by its name, what each told, see `Health.check` of the workers; null where it did
        not.
    """
    began = time.monotonic()
    try:
        with translated():
            connection.client.ping()
    except StoreUnavailableError as error:
        return _found([str(error)], took=time.monotonic() - began)
    took = time.monotonic() - began
    try:
        answers = _within(_SILENCE + timeout + 3 * _TRANSIT, lambda: _replicas(app, timeout))
    except (OperationalError, RedisError, TimeoutError) as error:
        return _found([f"replicas cannot be asked: {str(error) or type(error).__name__}"], took=took)
    problems = [f"{name}: {line}" for name, answer in answers.items() for line in _problems(answer)]
    return _found(problems or ([] if answers else ["no replica answers"]), answers, took)


def _found(problems: list[str], replicas: Mapping[str, Any] | None = None, took: float = 0.0) -> dict[str, Any]:
    redis = {"ok": replicas is not None, "seconds": round(took, 6)}
    return {"ok": not problems, "problems": problems, "redis": redis, "replicas": dict(replicas or {})}


def _replicas(app: Celery, timeout: float) -> dict[str, Any]:
    """What each replica told, by its name; of one that is there and does not tell, None.

    First it is found out who is there: so nobody waits for more answers than there can be.
    """
    there = [name for answer in app.control.ping(timeout=_SILENCE) for name in answer]
    if not there:
        return {}
    answers = app.control.broadcast(
        "qstore_health",
        arguments={"timeout": timeout},
        destination=there,
        reply=True,
        timeout=timeout + _TRANSIT,
        limit=len(there),
    )
    told = dict.fromkeys(there) | {name: answer for each in answers for name, answer in each.items()}
    return {name: answer for name, answer in sorted(told.items()) if not answer or answer.get("error") != _UNKNOWN}


def _problems(answer: Mapping[str, Any] | None) -> list[str]:
    if answer is None:
        return ["no answer"]
    if "parts" not in answer:
        return [str(answer.get("error"))]
    lines = [f"{part['part']} {part['state']}: {part['error']}" for part in answer["parts"] if not part["ok"]]
    return lines or ([] if answer["ok"] else ["is stopping, or has just begun"])


def _within(timeout: float, call: Callable[[], T]) -> T:
    """What a call gives that brings no deadline of its own: Celery's, where Redis is gone in the middle of it.

    Raises:
        TimeoutError: It did not end in time; its thread ends with the process.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it comes out where it is waited for
            future.set_exception(error)

    Thread(target=run, name="qstore-survey", daemon=True).start()
    return future.result(timeout)
