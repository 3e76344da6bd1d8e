"""What Flower is shown of a job that succeeded: fields of Celery's `task-succeeded` event.

Invariant: they tell of the job, whichever message or batch brought its end.
"""

from __future__ import annotations

from qstore.result import Result, headline
from qstore.state.ledger import Hit


def shown(result: Result) -> dict[str, object]:
    """The event's fields. Those that Flower keeps from earlier events (`received`, `started`) are put right.

    Args:
        result: What the asker gets.

    Returns:
        `result`, one line; `received`, when it was asked; `started`, when IonQ took its circuit, which may be
        before that for a job that joined; `runtime`, seconds from there to the outcome. What the cache, or the
        archive, answered started when it was asked, and took no time.
    """
    times = result["times"]
    cached = result["source"] in {"cached", "archived"}
    return {
        "result": headline(result),
        "received": times["asked"],
        "started": times["asked"] if cached else times["sent"],
        # two machines' clocks: never less than nothing
        "runtime": 0.0 if cached else max(0.0, times["done"] - times["sent"]),
    }


def cached(hit: Hit) -> dict[str, object]:
    """The same of a job that the cache answered at once, and no worker ever held.

    Args:
        hit: The job, and its result in one line.
    """
    asked = hit.job.submitted_at
    return {"result": hit.headline, "received": asked, "started": asked, "runtime": 0.0, "retries": 0}
