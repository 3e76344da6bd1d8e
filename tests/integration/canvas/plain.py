"""Plain Celery tasks that stand beside `submit_circuit` in canvases, loaded into the worker with `-I`."""

# mypy: disable-error-code="untyped-decorator"
# Celery has no types

from __future__ import annotations

from typing import Any

from celery import Task

from qstore.app import app, settings
from qstore.state.connection import Connection
from qstore.tasks import submit_circuit

_connection = Connection(settings.redis_url, timeout=10.0)


@app.task(name="plain.give")
def give(value: Any) -> Any:
    """Return what came in."""
    return value


@app.task(name="plain.is_called", bind=True)
def is_called(self: Task, *_: Any) -> bool:
    """Whether another task called this one as a function, in its own process."""
    return bool(self.request.called_directly)


@app.task(name="plain.add")
def add(one: int, other: int) -> int:
    """Add two numbers."""
    return one + other


@app.task(name="plain.shots")
def shots(*results: Any) -> int:
    """The shots of results, or of lists of them, all together."""
    return sum(shots(*each) if isinstance(each, list) else sum(each["counts"].values()) for each in results)


@app.task(name="plain.fail")
def fail(*_: Any) -> None:
    """Fail."""
    raise ValueError("as it was told to")


@app.task(name="plain.note")
def note(*said: Any) -> None:
    """Keep the last argument under the one before it, for a test to look for."""
    *_, what, key = said
    _connection.client.rpush(key, str(what))


@app.task(name="plain.hear")
def hear(request: Any, error: Exception, _: Any, key: str) -> None:
    """An errback of the newer kind: keep which task failed with what."""
    _connection.client.rpush(key, f"{request.id} {type(error).__name__}")


@app.task(name="plain.call_directly")
def call_directly(*arguments: Any) -> Any:
    """Execute a circuit while this task runs."""
    return submit_circuit(*arguments)


@app.task(name="plain.call", bind=True)
def call(self: Task, arguments: list[Any], options: dict[str, Any]) -> list[str]:
    """Submit a circuit from inside a task; whose it is."""
    result = submit_circuit.apply_async(arguments, **options)
    return [result.id, self.request.id, self.request.root_id]


@app.task(name="plain.become", bind=True)
def become(self: Task, *arguments: Any) -> Any:
    """Let a circuit's execution take this task's place."""
    return self.replace(submit_circuit.s(*arguments))
