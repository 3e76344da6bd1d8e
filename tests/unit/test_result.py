"""What one run gave, and how each asker reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qstore.job import Group, Job, Readout, Run
from qstore.outcome import Outcome, measure
from qstore.result import Source, read

JOB = Job("job", "bell", "bell · 2 qubits", Readout((0, 1), ((0, 1),)), memory=False, submitted_at=1000.0)
RUN = Run("run", "f" * 64, Group(backend="qpu.forte-1", shots=100), "qis", b"[]", 2, 2, "bell", None)
OUTCOME = measure(
    RUN,
    {0: 0.5, 3: 0.5},
    remote_id="remote",
    sent=1001.0,
    done=1002.5,
    quantum_seconds=0.25,
    usd=1.5,
    calibration="calibration-1",
)


def test_an_outcome_comes_back_from_the_store_as_it_was() -> None:
    assert Outcome.from_json(OUTCOME.to_json()) == OUTCOME


def test_only_whoever_caused_an_execution_pays_for_it() -> None:
    costs = {source: read(OUTCOME, JOB, source)["cost"] for source in ("executed", "joined", "cached")}
    assert costs == {
        "executed": {"quantum_seconds": 0.25, "usd": 1.5},
        "joined": {"quantum_seconds": 0.0, "usd": 0.0},
        "cached": {"quantum_seconds": 0.0, "usd": 0.0},
    }


def test_a_cost_that_could_not_be_found_out_is_null_and_not_nothing() -> None:
    unknown = replace(OUTCOME, quantum_seconds=None, usd=None)
    assert read(unknown, JOB, "executed")["cost"] == {"quantum_seconds": None, "usd": None}


@pytest.mark.parametrize(("source", "age"), [("executed", 0.0), ("joined", 0.0), ("cached", 42.5)])
def test_a_result_says_when_it_was_executed_and_how_old_it_is(source: Source, age: float) -> None:
    result = read(OUTCOME, JOB, source, age)
    assert (result["source"], result["executed_at"], result["age"]) == (source, 1002.5, age)
