"""How much hardware was used: what completed, by date and by group, as far as the ledger remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from qstore.sandbox.ionq.documents import ORGANIZATION_ID, PROJECT_ID, USER_ID
from qstore.sandbox.ionq.job import Job, State
from qstore.sandbox.ionq.pricing import job_price

GROUPS: dict[str, Callable[[Job], tuple[str, str]]] = {
    "job": lambda job: (job.id, job.name or job.id),
    "project": lambda _job: (PROJECT_ID, "sandbox"),
    "user": lambda _job: (USER_ID, "sandbox"),
}
"""For each grouping the id and the name of a job's group."""

MODALITIES: dict[str, Callable[[date], date]] = {
    "daily": lambda day: day,
    "weekly": lambda day: day - timedelta(days=day.weekday()),
    "monthly": lambda day: day.replace(day=1),
}
"""For each modality the first day of the period a day is in."""

_MOST_GROUPS = 5


@dataclass(slots=True)
class _Sum:
    """Jobs added up."""

    jobs: int = 0
    cost: float = 0.0
    microseconds: float = 0.0

    def add(self, job: Job) -> None:
        self.jobs += 1
        self.cost += job_price(job)
        self.microseconds += (job.completed_at - job.started_at) * 1e6

    def document(self) -> dict[str, Any]:
        return {"job_count": self.jobs, "amount": self.cost, "time_us": self.microseconds}


def usages(jobs: Iterable[Job], start: date, end: date, group_by: str, modality: str, now: float) -> dict[str, Any]:
    """The answer to GET /organizations/{id}/usage; days without usage are left out.

    Args:
        jobs: All there are.
        start: The first day, UTC.
        end: The day after the last.
        group_by: One of `GROUPS`.
        modality: One of `MODALITIES`.
        now: Epoch seconds.
    """
    total = _Sum()
    periods: dict[date, tuple[_Sum, dict[tuple[str, str], _Sum]]] = {}
    for job in jobs:
        if job.order.backend.simulator or job.order.dry_run or job.state(now) is not State.COMPLETED:
            continue
        day = datetime.fromtimestamp(job.completed_at, UTC).date()
        if not start <= day < end:
            continue
        period, groups = periods.setdefault(MODALITIES[modality](day), (_Sum(), {}))
        for each in (total, period, groups.setdefault(GROUPS[group_by](job), _Sum())):
            each.add(job)
    return {
        "organization": ORGANIZATION_ID,
        "group_type": group_by,
        "modality": modality,
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "usage_from": f"{start}T00:00:00Z",
        "usage_to": f"{end}T00:00:00Z",
        "usage_unit": "USD",
        "job_count": total.jobs,
        "amount_total": total.cost,
        "time_us_total": total.microseconds,
        "usage_data": [
            {"from": first.isoformat(), **period.document(), "group_usages": _largest(groups)}
            for first, (period, groups) in sorted(periods.items(), reverse=True)
        ],
    }


def _largest(groups: dict[tuple[str, str], _Sum]) -> list[dict[str, Any]]:
    """The groups that cost most, most first."""
    ordered = sorted(groups.items(), key=lambda item: item[1].cost, reverse=True)
    return [{"group_id": key, "group_name": name, **found.document()} for (key, name), found in ordered[:_MOST_GROUPS]]
