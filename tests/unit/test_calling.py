"""How Celery's call options are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import numpy as np
import pytest
from celery import Task
from celery._state import _task_stack
from qiskit import QuantumCircuit

from qstore.app import app
from qstore.calling import inherited, is_carried, is_of_canvas, portable, read_caller, read_expires, read_priority
from qstore.circuits.codec import decode
from qstore.errors import InvalidOptionError
from qstore.tasks import submit_circuit

NOW = 1_700_000_000.0
AT = datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (0, NOW),
        (60, NOW + 60),
        (1.5, NOW + 1.5),
        (-5, NOW - 5),
        (AT, NOW),
        (AT.astimezone(timezone(timedelta(hours=5))), NOW),
        (AT.replace(tzinfo=None), NOW),
        (AT.isoformat(), NOW),
        (AT.replace(tzinfo=None).isoformat(), NOW),
        ("2023-11-14T22:13:20Z", NOW),
        (np.float64(2.0), NOW + 2),
    ],
)
def test_expires_is_read_as_celery_reads_it(given: Any, expected: float | None) -> None:
    assert read_expires(given, NOW) == expected


@pytest.mark.parametrize("given", ["soon", "", [], {}, object(), float("nan"), float("inf"), 1e300, timedelta(1)])
def test_what_is_no_time_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOptionError, match="expires must be"):
        read_expires(given, NOW)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, 0), (0, 0), (5, 5), (9, 9), (10, 9), (-1, 0), ("7", 7), (2.9, 2), ("high", 0), (float("inf"), 0)],
)
def test_priority_is_read_as_celery_s_redis_transport_reads_it(given: Any, expected: int) -> None:
    assert read_priority(given) == expected


def test_a_caller_is_made_of_the_options_of_its_call() -> None:
    caller = read_caller(
        "an id",
        {
            "root_id": "root",
            "parent_id": "parent",
            "priority": 12,
            "expires": AT,
            "ignore_result": True,
            "stamped_headers": ["tenant", "lost"],
            "tenant": ["a", "b"],
            "shadow": "mine",
            "argsrepr": "a bell",
            "of_tomorrow": True,
        },
    )
    assert (caller.job_id, caller.root_id, caller.parent_id) == ("an id", "root", "parent")
    assert (caller.priority, caller.expires, caller.ignore_result) == (9, NOW, True)
    assert (caller.stamps, caller.shadow, caller.argsrepr) == ({"tenant": ["a", "b"]}, "mine", "a bell")
    assert (caller.delivered, caller.wake) == (False, None)


def test_a_caller_without_options_is_a_plain_one() -> None:
    caller = read_caller("an id", {})
    assert (caller.priority, caller.expires, caller.ignore_result, caller.stamps) == (0, None, False, None)
    assert (caller.root_id, caller.parent_id, caller.shadow, caller.argsrepr) == (None, None, None, None)


@pytest.fixture
def inside() -> Iterator[Callable[..., Task]]:
    """Makes this code run inside a task, as far as Celery can tell."""
    task = app.tasks["celery.accumulate"]

    def enter(**request: Any) -> Task:
        task.push_request(called_directly=False, children=[], **request)
        _task_stack.push(task)
        return task

    yield enter
    if _task_stack.top is task:
        _task_stack.pop()
        task.pop_request()


def test_a_call_from_inside_a_task_inherits_root_and_parent(inside: Callable[..., Task]) -> None:
    inside(id="outer", root_id="root", delivery_info={"priority": 7})
    full = inherited(submit_circuit, {"link": "kept"})
    assert (full["root_id"], full["parent_id"], full["priority"], full["link"]) == ("root", "outer", None, "kept")
    full = inherited(submit_circuit, {"root_id": "other", "parent_id": "mine"})
    assert (full["root_id"], full["parent_id"]) == ("other", "mine")


def test_the_first_task_is_the_root_of_what_it_calls(inside: Callable[..., Task]) -> None:
    inside(id="outer", root_id=None, delivery_info=None)
    assert inherited(submit_circuit, {})["root_id"] == "outer"


def test_a_priority_is_inherited_where_celery_is_told_so(
    inside: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside(id="outer", root_id="root", delivery_info={"priority": 7})
    monkeypatch.setitem(app.conf, "task_inherit_parent_priority", value=True)
    assert inherited(submit_circuit, {})["priority"] == 7
    assert inherited(submit_circuit, {"priority": 0})["priority"] == 0
    monkeypatch.setitem(app.conf, "task_default_priority", 4)
    assert inherited(submit_circuit, {})["priority"] == 4


def test_whether_results_are_ignored_is_the_task_s_unless_the_call_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not inherited(submit_circuit, {})["ignore_result"]
    monkeypatch.setattr(type(submit_circuit), "ignore_result", True)
    assert inherited(submit_circuit, {})["ignore_result"] is True
    assert inherited(submit_circuit, {"ignore_result": False})["ignore_result"] is False


@pytest.mark.parametrize(
    "options",
    [
        *({name: "x"} for name in ("link", "link_error", "chain", "chord", "eta", "queue", "routing_key", "exchange")),
        {"countdown": 1},
        {"retries": 1},
    ],
)
def test_what_celery_has_to_carry_travels(options: dict[str, Any]) -> None:
    assert is_carried(options)


@pytest.mark.parametrize("name", ["expires", "priority", "headers", "shadow", "group_id", "reply_to", "serializer"])
def test_what_the_queue_itself_can_heed_does_not(name: str) -> None:
    assert not is_carried({name: "x"})


def test_a_frozen_signature_is_part_of_a_canvas_and_a_call_with_an_id_is_not() -> None:
    signature = submit_circuit.s("circuit")
    signature.freeze("an id")
    assert is_of_canvas(signature.options)
    assert not is_of_canvas({"task_id": "an id", "link": "x", "chain": []})


class Colour(Enum):
    RED = "red"


def test_arguments_become_what_json_can_carry() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    assert decode(portable(circuit)) == circuit
    shots = portable(np.int64(5))
    assert (type(shots), shots) == (int, 5)
    assert portable(Colour.RED) == "red"
    for value in (True, "text", None, 0.5):
        assert portable(value) is value
