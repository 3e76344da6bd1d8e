"""Listening to Celery's events."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from conditions import wait_until


class Ears:
    """What was said since they opened.

    Args:
        connection: What Celery's receiver consumes from.
        heard: What it heard so far.
    """

    def __init__(self, connection: Any, heard: list[dict[str, Any]]) -> None:
        self._connection = connection
        self._heard = heard
        self._listen()  # it is the first look that subscribes

    def hear(self, kind: str, job_id: str) -> dict[str, Any]:
        """The first event of a kind about a job, once it comes."""

        def heard() -> dict[str, Any] | None:
            self._listen()
            return next(iter(self.heard(kind, job_id)), None)

        return wait_until(heard, what=f"{kind} of {job_id}")

    def heard(self, kind: str, job_id: str) -> list[dict[str, Any]]:
        """All events of a kind about a job that came so far."""
        return [each for each in self._heard if (each["type"], each.get("uuid")) == (kind, job_id)]

    def _listen(self) -> None:
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=0.1)
