"""What `celery -A workers` finds: the app, the task behind the doorbell, and the replica's loop as a bootstep."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps, signals
from celery.worker.control import inspect_command

from qstore.app import app, settings
from qstore.errors import StoreUnavailableError
from qstore.job import Group
from qstore.tasks import submit_circuit
from workers.request import tell_of_jobs
from workers.resources import Resources
from workers.revoke import hear_revokes
from workers.vectors.choice import chosen

__all__ = ["app"]

_GRACE = 10.0  # seconds a replica takes to finish the turn at hand


class Replica(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Holds the replica's resources from start to stop."""

    requires = ("celery.worker.components:Pool",)
    resources: Resources | None = None

    def start(self, worker: Any) -> None:
        """Open up. Under the thread pool this is the process the tasks run in."""
        resources = Resources(app, settings, worker.hostname, chosen(settings))
        Replica.resources = resources
        hear_revokes(resources.errands.run, resources.cancellations)
        resources.loop.turns.start()
        if resources.classical:
            resources.classical.start()
        resources.watch.start()

    def stop(self, worker: Any) -> None:
        """Finish the turn at hand and close."""
        resources, Replica.resources = Replica.resources, None
        if resources is not None:
            resources.dispatch.close()
            resources.loop.turns.stop(_GRACE)
            worker.pool.stop()  # bells under way; Celery itself would wait for them only when all is closed
            resources.close()


app.steps["worker"].add(Replica)
tell_of_jobs(submit_circuit)


@signals.after_setup_logger.connect  # type: ignore[untyped-decorator]  # Celery has no types
def leave_out_requests(loglevel: int = logging.INFO, **_: Any) -> None:
    """Keep a replica's log to what it does: these libraries write a line for each request, of which there are many."""
    if loglevel > logging.DEBUG:
        for library in ("httpx", "pinecone"):
            logging.getLogger(library).setLevel(logging.WARNING)


@inspect_command(args=[("timeout", float)], signature="[SECONDS=2.0]")  # type: ignore[untyped-decorator]  # Celery has no types
def qstore_health(_state: Any, timeout: float = 2.0) -> dict[str, Any]:
    """Whether what a replica works with answers, within so many seconds; `Health.check` says what is told."""
    resources = Replica.resources
    return resources.watch.health.check(timeout) if resources else {"ok": False, "parts": []}


@app.task(  # type: ignore[untyped-decorator]  # Celery has no types
    name="qstore.dispatch", ignore_result=True, send_events=False, throws=(StoreUnavailableError,)
)
def dispatch(group: str) -> None:
    """The doorbell: send what a group has waiting. Lost or doubled, it loses and doubles nothing.

    Args:
        group: Canonical JSON of the group.
    """
    if Replica.resources is not None:
        Replica.resources.dispatch.group(Group.from_json(group))
