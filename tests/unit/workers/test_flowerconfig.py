"""What Flower is told to show, and who has the last word on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import copy
from typing import Any

import pytest
from celery.events.state import State, Task
from celery.utils.saferepr import saferepr
from flower.views.tasks import TASK_COLUMNS
from hypothesis import given
from hypothesis import strategies as st

from qstore import errors
from qstore.errors import IonQJobFailedError, IonQThrottledError, NoMeasurementError
from workers import flowerconfig
from workers.flowerconfig import format_task

SUMMARY = "bell · 2 qubits · 1000 shots · 3f9a…"
HEADLINE = "executed · 00: 507, 11: 493"

READ = """
import json, sys
from flower.command import apply_env_options, apply_options
from flower.options import options
apply_env_options()
apply_options("flower", sys.argv[1:])
print(json.dumps({name: str(value) for name, value in options.items()}))
"""


def job(**fields: Any) -> Task:
    """A circuit's job as Flower hands it over to be formatted: a copy."""
    told = {"name": "qstore.submit_circuit", "state": "SUCCESS", "args": SUMMARY, "kwargs": "{}", **fields}
    return copy(Task(uuid="1", cluster_state=State(), **told))


def options(*arguments: str, **environment: str) -> dict[str, str]:
    """What Flower makes of this file, its environment and its command line."""
    conf = f"--conf={flowerconfig.__file__}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLOWER_")}
    command = [sys.executable, "-c", READ, conf, *arguments]
    done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_flower_knows_every_column() -> None:
    asked = flowerconfig.tasks_columns.split(",")

    assert set(asked) <= TASK_COLUMNS.keys()
    assert {"state", "args", "result", "received", "started", "runtime", "retries", "worker"} <= set(asked)


def test_flower_listens_on_loopback_and_shows_exact_times_unless_told_otherwise() -> None:
    found = options()

    assert found["address"] == "127.0.0.1"
    assert found["natural_time"] == "False"
    assert found["tasks_columns"] == flowerconfig.tasks_columns


def test_the_environment_wins_over_the_file_and_the_command_line_over_both() -> None:
    found = options("--max_tasks=8", "--port=99", FLOWER_MAX_TASKS="7", FLOWER_ADDRESS="::1", FLOWER_NATURAL_TIME="on")

    assert found["address"] == "::1"
    assert found["natural_time"] == "True"
    assert found["max_tasks"] == "8"
    assert found["port"] == "99"
    assert found["tasks_columns"] == flowerconfig.tasks_columns


def test_a_job_is_shown_by_its_summary_and_its_headline() -> None:
    shown = format_task(job(result=HEADLINE))

    assert (shown.args, shown.kwargs, shown.result) == (SUMMARY, "", HEADLINE)


def test_quotes_that_a_repr_adds_are_gone() -> None:
    shown = format_task(job(args=repr((SUMMARY,)), result=repr(HEADLINE)))

    assert (shown.args, shown.result) == (SUMMARY, HEADLINE)


def test_a_program_sent_by_name_is_one_line() -> None:
    program = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n// it\'s a bell\nqubit[2] q;\n' + "h q[0];\n" * 1000

    shown = format_task(job(args=saferepr([program]), kwargs="{'shots': 100}"))

    assert shown.args.startswith('OPENQASM 3.0; include "stdgates.inc"; // it\'s a bell qubit[2] q; h q[0];')
    assert shown.args.endswith("…")
    assert len(shown.args) <= 160
    assert shown.kwargs == "{'shots': 100}"


@pytest.mark.parametrize("state", ["FAILURE", "RETRY", "REVOKED"])
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NoMeasurementError("It measures\nnothing."), "NoMeasurementError: It measures nothing."),
        (IonQThrottledError("IonQ's busy.", 2.5), "IonQThrottledError: IonQ's busy."),
        (IonQJobFailedError("It's broken.", "SystemCancel"), "IonQJobFailedError: SystemCancel: It's broken."),
        (KeyError(1), "KeyError: 1"),
        (OSError(2, "No such file"), "FileNotFoundError: (2, 'No such file')"),
        (OSError(), "OSError()"),
    ],
)
def test_what_went_wrong_stands_where_the_result_would(state: str, error: Exception, line: str) -> None:
    shown = format_task(job(state=state, exception=repr(error)))

    assert shown.result == line
    assert " ".join(shown.exception.split()) == line


@pytest.mark.parametrize("state", ["RECEIVED", "SUBMITTED", "STARTED"])
def test_an_error_that_was_overcome_is_no_result(state: str) -> None:
    assert format_task(job(state=state, exception="IonQUnavailableError('No answer.')")).result == ""


def test_a_result_is_not_hidden_by_an_error_before_it() -> None:
    assert format_task(job(result=HEADLINE, exception="IonQUnavailableError('No answer.')")).result == HEADLINE


def test_a_job_names_its_root_only_where_that_is_another() -> None:
    alone, linked = format_task(job(root_id="1")), format_task(job(root_id="2", parent_id="3"))

    assert (alone.root, alone.root_id, alone.parent, alone.parent_id) == (None, None, None, None)
    assert (linked.root, linked.root_id, linked.parent, linked.parent_id) == (None, "2", None, "3")


anything = st.one_of(
    st.none(),
    st.integers(),
    st.binary(),
    st.text(),
    st.text("'\"([,)]\\ aE", max_size=12),
    st.lists(st.text()),
    st.text(max_size=20).map(lambda text: repr(ValueError(text))),
    st.sampled_from(["JobTimeoutError(1, 2, 3)", "IonQThrottledError()", "annotations(1)", "BreakerOpen({}, b'')"]),
)
fields = st.fixed_dictionaries(
    {"args": anything, "kwargs": anything, "result": anything, "exception": anything},
    optional={"state": st.sampled_from(["FAILURE", "RETRY", "SUBMITTED", "", None])},
)


@given(fields)
def test_no_job_is_too_odd(told: dict[str, Any]) -> None:
    shown = format_task(job(**told))

    assert isinstance(shown.args, str)
    assert len(shown.args) <= 160
    assert isinstance(shown.result, str)
    assert shown.as_dict()


@pytest.mark.parametrize("kind", dir(errors))
def test_no_error_of_ours_is_too_odd(kind: str) -> None:
    for arguments in ("()", "(None)", "('a', 'b', 'c', 'd')", "([], 1e999)"):
        assert format_task(job(state="FAILURE", exception=kind + arguments)).exception.startswith(kind)


@pytest.mark.parametrize("inner", ["(" * 5000, "-" * 100_000 + "1", "(" * 5000 + ")" * 5000])
def test_no_error_is_too_deep(inner: str) -> None:
    assert format_task(job(state="FAILURE", exception=f"E({inner})")).exception == f"E({inner})"


@given(fields, st.sampled_from(["elsewhere.add", "", None, 5]))
def test_other_tasks_stay_as_they_are(told: dict[str, Any], name: Any) -> None:
    task = job(**{**told, "name": name})
    before = task.as_dict()

    assert format_task(task).as_dict() == before
