"""One environment for the whole run, set before qstore is imported: every test talks to servers of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings as hypothesis_settings
from rich.console import Console

from chaos.scoreboard import scores_of, table
from conditions import free_port, ports
from qstore.sandbox import process

_WIDTH = 120  # columns, where nobody says how many there are

os.environ.update(
    QSTORE_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
    QSTORE_REDIS_TIMEOUT="5",  # seconds: the machine may be busy
    IONQ_API_KEY="a-key-of-the-tests",
)

process._PORTS = ports()  # of servers that are started here

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis_settings.register_profile("laptop", deadline=None)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "laptop")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much chaos; pytest takes options from here only, not from the folder they are for."""
    parser.addoption("--chaos", choices=("short", "full"), default="short", help="which scenarios of tests/chaos run")
    parser.addoption("--chaos-seed", type=int, default=1, help="seed of the random mixes of faults")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show every scenario of chaos in a table; here, for a process that leaves the tests to others loads no more."""
    if scores := scores_of(terminalreporter):
        terminalreporter.ensure_newline()
        console = Console(width=None if Console().is_terminal else _WIDTH)
        console.print(table(scores, config.getoption("chaos_seed")))
