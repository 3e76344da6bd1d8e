"""What every scenario came to: a line as it ends, a table at the end.

The table may be another process's than the tests: scores travel on the reports of their tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_SCORE = "score"  # what it is called on a report


@dataclass(frozen=True)
class Score:
    """One scenario.

    Attributes:
        scenario: Which.
        jobs: Submitted.
        asked: Different circuits in them.
        paid: Circuits IonQ was paid for.
        duplicates: Of those, the ones it was paid for before.
        lost: Jobs that did not end.
        failed: Jobs that ended with an error, where none should.
        wrong: Jobs that ended with another's counts.
        recovery: Seconds from a death, or the end of the trouble, to the last job's end; None where nothing began it.
        note: What else is worth knowing.
    """

    scenario: str
    jobs: int
    asked: int
    paid: int
    duplicates: int = 0
    lost: int = 0
    failed: int = 0
    wrong: int = 0
    recovery: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every job ended with its own counts and was paid for once."""
        return self.paid == self.asked and not (self.duplicates or self.lost or self.failed or self.wrong)

    def __str__(self) -> str:
        troubles = [f"{count} {name}" for name in ("failed", "wrong") if (count := getattr(self, name))]
        parts = [
            f"{self.jobs} jobs, {self.paid} of {self.asked} circuits paid, {self.duplicates} duplicates",
            f"{self.lost} lost",
            *troubles,
            *([] if self.recovery is None else [f"recovered in {self.recovery:.1f} s"]),
            *([self.note] if self.note else []),
        ]
        return f"{self.scenario}: {', '.join(parts)}"


@dataclass
class Scoreboard:
    """Collects scores.

    Attributes:
        config: Pytest's; what is printed goes past its capture.
        live: Whether to tell of each score, and of what goes on, at once.
        seed: Of the random mixes.
        scores: Since the last report.
    """

    config: pytest.Config
    live: bool
    seed: int
    scores: list[Score] = field(default_factory=list)
    _shown: Console | None = None  # where a bar moves

    def add(self, score: Score) -> None:
        """Enter a score."""
        self.scores.append(score)
        if self.live:
            with self._terminal() as console:
                console.print(f"{'ok  ' if score.passed else 'BAD '} {score}", highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: float) -> Iterator[Callable[[float], None]]:
        """Show a bar where a person watches, and give what moves it: to so much of the total."""
        if not (self.live and sys.__stdout__ is not None and sys.__stdout__.isatty()):
            yield lambda _: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with self._terminal() as console, Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(what, total=total)
            self._shown = console
            try:
                yield lambda done: progress.update(bar, completed=done)
            finally:
                self._shown = None

    def put_on(self, report: pytest.TestReport) -> None:
        """Leave the scores to a report."""
        report.user_properties += [(_SCORE, asdict(score)) for score in self.scores]
        self.scores.clear()

    @contextmanager
    def _terminal(self) -> Iterator[Console]:
        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        if self._shown is not None:
            yield self._shown
        elif capture is None:
            yield Console()
        else:
            with capture.global_and_fixture_disabled():
                yield Console()


def scores_of(terminal: pytest.TerminalReporter) -> list[Score]:
    """What is on the reports that a terminal was told of."""
    reports = [report for some in terminal.stats.values() for report in some if isinstance(report, pytest.TestReport)]
    found = [told for report in reports for name, told in report.user_properties if name == _SCORE]
    return [Score(**told) for told in found if isinstance(told, dict)]


def table(scores: Sequence[Score], seed: int) -> Table:
    """All scores."""
    table = Table(title=f"Chaos, seed {seed}", title_justify="left")
    table.add_column("scenario", overflow="fold")
    for name in ("jobs", "paid", "duplicates", "lost", "recovery"):
        table.add_column(name, justify="right", min_width=len(name), no_wrap=True)
    table.add_column("note")
    for score in scores:
        recovery = "" if score.recovery is None else f"{score.recovery:.1f} s"
        numbers = (str(number) for number in (score.jobs, score.paid, score.duplicates, score.lost))
        table.add_row(score.scenario, *numbers, recovery, score.note, style="" if score.passed else "bold red")
    return table
