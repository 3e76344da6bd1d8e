"""The scoreboard, and which scenarios run: a short cut of them, or all with `--chaos=full`."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial

_BOARD = pytest.StashKey[Scoreboard]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the board; this file may be loaded after the options were read."""
    config.addinivalue_line("markers", "full: a scenario that only `--chaos=full` runs")
    full = config.getoption("chaos") == "full"
    config.stash[_BOARD] = Scoreboard(config, live=full, seed=config.getoption("chaos_seed"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the full suite runs."""
    if config.stash[_BOARD].live:
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the test scored on its report, and where it failed what a house that outlives it has logged."""
    report = yield
    item.config.stash[_BOARD].put_on(report)
    if report.failed and isinstance(item, pytest.Function):
        report.sections += [("logs", value.logs()) for value in item.funcargs.values() if isinstance(value, Trial)]
    return report


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """Leave out the dot of a scenario that has a line of its own."""
    told = config.stash[_BOARD].live and report.when == "call" and report.passed and "chaos/" in report.nodeid
    return ("passed", "", "PASSED") if told else None


@pytest.fixture(scope="session")
def scoreboard(pytestconfig: pytest.Config) -> Scoreboard:
    """Where scores go."""
    return pytestconfig.stash[_BOARD]
