"""Flower's configuration: `celery -A workers flower --conf=<this file>`.

Flower lets this file win over its environment. It has to be the other way round, so what a `FLOWER_…` variable
names is left out at the end: the command line comes first, then the environment, then this file.

How to read the times of a circuit's job:

- *Received* to *Started*: it waited here, for its batch and for IonQ to take it. A job that joined a running
  execution shows when that one started, which may be before it was received.
- *Runtime*: from there to the outcome, in IonQ's queue and on its machine; nothing where the cache answered.
"""

from __future__ import annotations

import ast
import os
import re

from celery import states
from celery.events.state import Task

from qstore import errors

address = "127.0.0.1"
"""Flower itself would listen on every interface."""

tasks_columns = "state,args,result,uuid,runtime,received,worker,retries,started,name"
"""What tells most comes first, and the link to a task's page where a laptop's screen still shows it."""

natural_time = False
"""Exact times: how long a job waited is the difference of two."""

auto_refresh = True
"""Of the page of workers."""

max_tasks = 100_000
"""The newest; 5 kB of memory each."""

persistent = True
"""Tasks outlive a restart, in the file that `db` names: `flower` in the current folder, unless told otherwise."""

state_save_interval = 300_000
"""Milliseconds: a crash loses no more. Saving all tasks takes some seconds, in which Flower answers nobody."""


def format_task(task: Task) -> Task:
    """Make a circuit's job readable. Other tasks stay as they are.

    Args:
        task: A copy of what Flower knows, in which any field may hold anything.
    """
    if task.name != "qstore.submit_circuit":
        return task
    task.args = _line(_unquoted(task.args))
    task.kwargs = "" if task.kwargs == "{}" else _text(task.kwargs)
    task.exception = _error(task.exception) if task.exception else None
    task.result = _unquoted(task.result)
    if not task.result and task.exception and task.state in {states.RETRY, states.FAILURE, states.REVOKED}:
        task.result = _line(task.exception)
    # said by `root_id` and `parent_id` already; and a job that is its own root says nothing by it
    task.root = task.parent = None
    if task.root_id == task.uuid:
        task.root_id = None
    return task


_WIDTH = 160  # characters of a line
_QUOTED = re.compile(r"""[\[(]?(['"])(?P<text>.*)\1,?[\])]?""", re.DOTALL)
_ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
_EXCEPTION = re.compile(r"(?P<kind>\w+)(?P<arguments>\(.*\))", re.DOTALL)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _line(text: str) -> str:
    """In one line, and no longer than a table bears."""
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _unquoted(value: object) -> str:
    """Without the quotes and brackets a `repr` puts around a text."""
    text = _text(value)
    quoted = _QUOTED.fullmatch(text)
    return quoted["text"].replace("\\'", "'") if quoted else text


def _error(value: object) -> str:
    """`QueueFull(…)`, as a repr has it, becomes `QueueFull: Try later.`, as people read it."""
    text = _text(value)
    exception = _EXCEPTION.fullmatch(text)
    if exception is None:
        return text
    try:
        arguments = ast.literal_eval(exception["arguments"])
        given = arguments if isinstance(arguments, tuple) else (arguments,)
        message = str(_ERRORS.get(exception["kind"], Exception)(*given))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return f"{exception['kind']}: {message}" if message else text


for _name in os.environ:
    if _name.startswith("FLOWER_"):
        globals().pop(_name.removeprefix("FLOWER_").lower(), None)
