from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from qstore import progress
from qstore.progress import shown

ALWAYS, NEVER = True, False


class Terminal:
    """A pseudo-terminal, in the place of stderr within a `with` block."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.stream = os.fdopen(theirs, "w", buffering=1)

    def __enter__(self) -> None:
        self._before, sys.stderr = sys.stderr, self.stream

    def __exit__(self, *_: object) -> None:
        sys.stderr = self._before

    def text(self) -> str:
        """All that was written so far."""
        parts = []
        try:
            while part := os.read(self._ours, 65_536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode()

    def lines(self) -> list[str]:
        """What stood in a line of its own at some time, in order, without colors and movements."""
        return re.split(r"[\r\n]+", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", self.text()))

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    opened = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    yield opened
    opened.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience: the bar is there from the first job on."""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)


@pytest.mark.usefixtures("at_once")
def test_on_a_terminal_a_bar_says_what_became_of_the_jobs(terminal: Terminal) -> None:
    with terminal, shown(None, "submitted", 1000) as show:
        show(Counter(queued=400, cached=0, failed=0))
        show(Counter(queued=990, cached=8, failed=2))
    last = [line for line in terminal.lines() if line][-1]
    assert re.search(r"^submitted ━+ 1000/1000 990 queued, 8 cached, 2 failed, [\d,]+/s \d:\d\d:\d\d$", last)


@pytest.mark.usefixtures("at_once")
def test_a_bar_without_an_end_counts_all_the_same(terminal: Terminal) -> None:
    with terminal, shown(None, "submitted", None) as show:
        show(Counter(queued=400))
    assert " 400/? 400 queued, " in "\n".join(terminal.lines())


def test_what_is_over_at_once_draws_nothing(terminal: Terminal) -> None:
    with terminal, shown(ALWAYS, "submitted", 10) as show:
        show(Counter(queued=10))
    assert terminal.text() == ""


@pytest.mark.usefixtures("at_once")
def test_false_draws_nothing_on_a_terminal(terminal: Terminal) -> None:
    with terminal, shown(NEVER, "submitted", 10) as show:
        show(Counter(queued=10))
    assert terminal.text() == ""


@pytest.mark.usefixtures("at_once")
def test_what_is_no_terminal_gets_a_line_at_the_end_where_asked_for_and_else_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with shown(None, "submitted", 10) as show:
        show(Counter(queued=10))
    assert capsys.readouterr() == ("", "")
    with shown(ALWAYS, "submitted", 10) as show:
        show(Counter(queued=5))
        assert capsys.readouterr() == ("", "")
        show(Counter(queued=10))
    said = capsys.readouterr()
    assert said.out == ""
    assert "10/10" in said.err
    assert "\x1b" not in said.err
    assert "5/10" not in said.err


@pytest.mark.usefixtures("at_once")
def test_log_lines_stand_alone_and_handlers_get_their_stream_back(terminal: Terminal) -> None:
    handler = logging.StreamHandler(terminal.stream)  # as one that was made before the bar
    logger = logging.getLogger("a-service")
    logger.addHandler(handler)
    try:
        with terminal, shown(None, "submitted", 10) as show:
            show(Counter(queued=5))
            logger.warning("no bell")
            show(Counter(queued=10))
        logger.warning("after it")
    finally:
        logger.removeHandler(handler)
    assert handler.stream is terminal.stream
    seen = terminal.lines()
    assert "no bell" in seen
    assert "after it" in seen


@pytest.mark.usefixtures("at_once")
def test_what_is_printed_into_a_file_stays_out_of_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with terminal, shown(None, "submitted", 10) as show:
        show(Counter(queued=5))
        sys.stdout.write("a row of the report\n")
        assert file.getvalue() == "a row of the report\n"
    assert "report" not in terminal.text()


@pytest.mark.usefixtures("at_once")
def test_one_bar_at_a_time(terminal: Terminal) -> None:
    with terminal, shown(None, "ended", 10) as outer:
        outer(Counter(executed=5))
        with shown(None, "submitted", 10) as inner:
            inner(Counter(queued=10))
    seen = terminal.text()
    assert "ended" in seen
    assert "submitted" not in seen


def test_a_callable_hears_how_many_and_draws_nothing(terminal: Terminal) -> None:
    heard: list[tuple[int, int | None]] = []
    with terminal, shown(lambda done, total: heard.append((done, total)), "submitted", 10) as show:
        show(Counter(queued=3, failed=1))
        show(Counter(queued=8, failed=2))
    assert heard == [(4, 10), (10, 10)]
    assert terminal.text() == ""
