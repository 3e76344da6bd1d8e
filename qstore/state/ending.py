"""How runs end: what a replica says of each, and what that leaves to do."""

from __future__ import annotations

from dataclasses import dataclass

from qstore.job import Job, Run


class BankMovedError(Exception):
    """Who waits for a bank's run wants more shots than was known."""


class StaleError(Exception):
    """An archived outcome is too old for somebody who waits for it by now, or of another calibration."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends.

    Attributes:
        outcome: JSON of the outcome, or of the error.
        cacheable: Whether it may answer later askers.
        usd: What IonQ charged for it, US dollars; None where that is not known.
        calibration: IonQ's id of the one it was executed under; None where that is not known, or there is none.
        shots: How many there are.
        bank: Whether they are a bank's, so that jobs may want fewer of them, or more.
        again: What is to be executed for those that want more; None where nobody does.
        executed: JSON of what was executed and is worth archiving; empty where nothing is.
        age: Seconds since it was executed, where the archive knew it; None where it is new.
    """

    outcome: str
    cacheable: bool = True
    usd: float | None = None
    calibration: str | None = None
    shots: int = 0
    bank: bool = False
    again: Run | None = None
    executed: str = ""
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Banked:
    """What there is of a bank, and what is wanted of it.

    Attributes:
        outcome: JSON of all that is banked; empty where nothing is.
        wanted: The most shots that any of those wants who wait for it.
    """

    outcome: bytes
    wanted: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled batch leaves to do: one outcome for each run, and the jobs that wait for it.

    Attributes:
        outcome: JSON of the run's outcome.
        jobs: Who waited, the one that caused the run first.
    """

    outcome: str
    jobs: tuple[Job, ...]
