"""Usage by date and group."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from qstore.sandbox.ionq.job import Job, Outcome
from qstore.sandbox.ionq.ledger import Ledger
from qstore.sandbox.ionq.order import read_order
from qstore.sandbox.ionq.usage import usages

BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]


def run(day: str, shots: int, outcome: Outcome | None = None, **fields: Any) -> Job:
    """A job of 0.0011 dollars a shot, at least 10, that took half of 20 s from noon on."""
    noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()
    given = {"gateset": "qis", "circuit": BELL}
    body = {"type": "ionq.circuit.v1", "backend": "qpu.forte-1", "shots": shots, "input": given, **fields}
    job = Ledger(latency=20, clock=lambda: noon).accept(read_order(json.dumps(body).encode()))
    job.settle([outcome or Outcome()], noon)
    return job


def used(*jobs: Job, group_by: str = "project", modality: str = "daily") -> dict[str, Any]:
    now = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    return usages(jobs, date(2026, 1, 1), date(2026, 4, 1), group_by, modality, now)


def test_what_cost_nothing_is_no_usage() -> None:
    found = used(
        run("2026-02-01", 100, backend="simulator"),
        run("2026-02-01", 100, dry_run=True),
        run("2026-02-01", 100, Outcome(failure=("SimulationError", ""))),
        run("2025-12-31", 100),
        run("2026-04-01", 100),
    )
    assert (found["job_count"], found["amount_total"], found["time_us_total"], found["usage_data"]) == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("modality", "periods"),
    [
        ("daily", [("2026-03-01", 1), ("2026-02-25", 2), ("2026-01-01", 1)]),
        ("weekly", [("2026-02-23", 3), ("2025-12-29", 1)]),
        ("monthly", [("2026-03-01", 1), ("2026-02-01", 2), ("2026-01-01", 1)]),
    ],
)
def test_usage_is_told_by_period_the_most_recent_first(modality: str, periods: list[tuple[str, int]]) -> None:
    days = ["2026-02-25", "2026-01-01", "2026-03-01", "2026-02-25"]
    found = used(*(run(each, 20_000) for each in days), modality=modality)
    assert [(each["from"], each["job_count"]) for each in found["usage_data"]] == periods
    assert found["job_count"] == 4
    assert found["amount_total"] == pytest.approx(88)
    assert found["time_us_total"] == pytest.approx(4e7)


def test_of_the_groups_the_five_that_cost_most_are_named() -> None:
    jobs = [run("2026-02-01", 10_000 * each, name=f"job {each}") for each in (3, 1, 6, 2, 5, 4)]
    (day,) = used(*jobs, group_by="job")["usage_data"]
    assert [each["group_name"] for each in day["group_usages"]] == ["job 6", "job 5", "job 4", "job 3", "job 2"]
    assert day["job_count"] == 6
    (alone,) = used(*jobs, group_by="user")["usage_data"][0]["group_usages"]
    assert alone["job_count"] == 6
