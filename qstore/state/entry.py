"""What stands in Celery's result backend for a job that waits, as scripts write it along with the job itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A job's place in Celery's result backend, and what it says while the job waits in its group.

    Attributes:
        key: Redis key.
        head: What the result backend's own encoding makes of a queued job, up to its position in the group.
        middle: From there up to the job's id.
        tail: The id, and the rest.
        expires: Seconds until Celery forgets it; 0 where the job has none.
    """

    key: str
    head: str
    middle: str
    tail: str
    expires: int

    @property
    def value(self) -> str:
        """What it says of a job that nothing is ahead of."""
        return f"{self.head}0{self.middle}{self.tail}"


@dataclass(frozen=True, slots=True)
class Telling:
    """What an entry is to say from now on, while its job waits.

    Attributes:
        job: The key of the job's place among those that wait.
        key: The entry's.
        value: What it says.
        expires: Seconds until Celery forgets it.
    """

    job: str
    key: str
    value: str
    expires: int
