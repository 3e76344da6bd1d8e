"""Celery's `map` and `starmap`, which `chunks` is made of, over circuits: the items fill batches.

Celery's own tasks call a task for one item after the other, inside one message. That would send circuits to IonQ one
by one, and hold a worker's slot while a machine queues. For any other task these are Celery's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, Task, group, signature

from qstore.job import TASK


class Map(Task):  # type: ignore[misc]  # Celery has no types
    """`celery.map`: each item is the one argument of a call.

    Where circuits are mapped the task replaces itself by a group of jobs, so its result is theirs, in the order of
    the items. One that fails fails the whole with Celery's `ChordError`.
    """

    name = "celery.map"

    def run(self, task: Any, it: Sequence[Any]) -> Any:
        """Call a task for each item.

        Args:
            task: Its signature.
            it: The items.
        """
        each = signature(task, app=self.app)
        calls = [self.arguments(item) for item in it]
        if each.task != TASK:
            return [each.type(*args) for args in calls]
        if self.request.called_directly or self.request.is_eager:
            jobs = [each.apply_async(args) for args in calls]
            return [job.get(disable_sync_subtasks=False) for job in jobs]
        priority = (self.request.delivery_info or {}).get("priority")
        with each.type.together():
            return self.replace(group(each.clone(args, priority=priority) for args in calls))

    def arguments(self, item: Any) -> tuple[Any, ...]:
        """What an item is to the task."""
        return (item,)


class Starmap(Map):
    """`celery.starmap`: each item is all arguments of a call. See `Map`."""

    name = "celery.starmap"

    def arguments(self, item: Any) -> tuple[Any, ...]:
        """What an item is to the task."""
        return tuple(item)


def take_over_maps(app: Celery) -> None:
    """Put these in the place of Celery's own.

    Args:
        app: Whose tasks; it is finalized by this, which is when Celery adds its own.
    """
    for task in (Map(), Starmap()):
        app.tasks.unregister(task.name)
        app.register_task(task)
