"""What a worker tells Flower of jobs that reach it as Celery messages: of the job, not of the delivery.

Celery's own events would have such a job start when its message is read, though it only takes its place in the queue
then, and would have it run for the milliseconds its last delivery takes.

Invariant: where the job's own answer is not at hand, Celery's event goes out as it is.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from celery import Task, states
from celery.signals import task_postrun
from celery.worker import request

from qstore.result import Result
from workers.shown import shown

_REPR = ("(", "[")
"""What Celery's own line of arguments begins with: the whole program, where a line about the circuit tells more."""


class Answers(threading.local):
    """What the task body on this thread returned, for the event that Celery sends next from the same thread.

    One answer a thread: there is nothing to run full.
    """

    _kept: tuple[str, Result] | None = None

    def keep(self, task_id: str, retval: Any, state: str, **_: object) -> None:
        """Keep an answer. This is a receiver of Celery's `task_postrun`."""
        self._kept = (task_id, retval) if state == states.SUCCESS else None

    def take(self, job_id: str) -> Result | None:
        """A job's answer, once; None where another job's was kept, or none."""
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == job_id else None


class Request(request.Request):  # type: ignore[misc]  # Celery has no types
    """A message's life at the worker.

    Attributes:
        answers: Where the task's answers are handed over.
    """

    answers: ClassVar[Answers]

    def send_event(self, kind: str, /, **fields: object) -> None:
        """As Celery's, with what is true of the job.

        Args:
            kind: The event's type, such as `task-succeeded`.
            fields: The event's fields.
        """
        if kind == "task-started":
            return  # it is told when IonQ starts, or below
        if kind == "task-succeeded" and (result := self.answers.take(self.id)) is not None:
            fields |= shown(result)
            if self.argsrepr.startswith(_REPR):
                fields["args"] = f"{result['name']} · {result['shots']} shots · {result['fingerprint'][:4]}…"
        if kind in {"task-succeeded", "task-failed"}:
            super().send_event("task-started")  # Flower's count of tasks that wait goes down by this event only
        super().send_event(kind, **fields)


def tell_of_jobs(task: Task) -> None:
    """Let a worker's events tell of a task's jobs.

    Args:
        task: Whose results are `qstore.result.Result`.
    """
    answers = Answers()
    task_postrun.connect(answers.keep, sender=task, weak=False)
    task.Request = type("Request", (Request,), {"answers": answers})
