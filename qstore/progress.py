"""How far many jobs are, for whoever looks: a bar on a terminal, or a callable of the caller's.

Nothing is drawn where all is over within half a second. What is logged or printed meanwhile appears above the bar.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TextIO

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

Progress = bool | Callable[[int, int | None], object] | None
"""What is shown: True a bar, False nothing, None a bar where stderr is a terminal; a callable hears `(done, total)`."""

Show = Callable[[Counter[str]], object]
"""Takes how many jobs are done by now, by what became of them."""

_PATIENCE = 0.5  # seconds; what is over sooner needs no bar
_FRAMES = 5  # a second


@contextmanager
def shown(progress: Progress, what: str, total: int | None) -> Iterator[Show]:
    """Show how far something is while the block runs.

    Args:
        progress: Whether and to whom.
        what: What is done to the jobs, in a word.
        total: How many there are; None where nobody knows.
    """
    if callable(progress):
        yield lambda counts: progress(counts.total(), total)
    elif progress or (progress is None and _is_terminal(sys.stderr)):
        with Bar(what, total) as bar:
            yield bar.show
    else:
        yield lambda _: None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


class Bar:
    """A bar on stderr that stays as one line when it is done; none while another has the terminal.

    Args:
        what: What stands in front of it.
        total: Where it ends; None where nobody knows.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._began = time.monotonic()
        self._streams = {id(stream): name for name in ("stdout", "stderr") if (stream := getattr(sys, name))}
        self._logs: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=_FRAMES,
            redirect_stdout=_is_terminal(sys.stdout),  # what goes into a pipe or a file stays out of the terminal
            expand=True,
        )
        self._task = self._bar.add_task(what, total=total, said="")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
            for handler, stream in self._logs:
                handler.setStream(stream)

    def show(self, counts: Counter[str]) -> None:
        """Say how many are done by now, by what became of them."""
        done, seconds = counts.total(), max(time.monotonic() - self._began, 0.001)
        parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
        said = ", ".join([*parts, f"{done / seconds:,.0f}/s"])
        self._bar.update(self._task, completed=done, said=said)
        if seconds > _PATIENCE and not self._bar.live.is_started and not isinstance(sys.stderr, FileProxy):
            self._bar.start()
            self._lift_logs()

    def _lift_logs(self) -> None:
        """Have log lines appear above the bar: handlers hold the stream that was there before the bar."""
        for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
            for handler in getattr(logger, "handlers", ()):
                stream = getattr(handler, "stream", None)
                if id(stream) in self._streams and isinstance(handler, logging.StreamHandler):
                    self._logs.append((handler, stream))
                    handler.setStream(getattr(sys, self._streams[id(stream)]))
