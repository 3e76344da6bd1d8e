"""`qstore demo` does what it says, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conditions import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


def launch(folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "examples").symlink_to(EXAMPLES)
    (folder / "home").mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "qstore.cli", "demo", *options],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("QSTORE_", "XDG_", "MPL"))},
            "HOME": str(folder / "home"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return ""


@pytest.fixture
def family() -> Iterator[list[psutil.Process]]:
    """Processes a test saw; all of them have to be gone at its end."""
    seen: list[psutil.Process] = []
    yield seen
    wait_until(lambda: not any(process.is_running() for process in seen), what="every process of the demo gone")


def test_the_demo_runs_checks_every_count_and_cleans_up(tmp_path: Path, family: list[psutil.Process]) -> None:
    demo = launch(tmp_path)
    itself = psutil.Process(demo.pid)
    wait_until(lambda: len(itself.children()) > 5, within=60, what="the sandbox")
    family += itself.children(recursive=True)
    out, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, out
    told = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in out.splitlines() if line.startswith("│")}
    assert told["jobs"] == "200"
    assert told["circuits bought"] == "100"
    assert told["executed"] == "100"
    assert int(told["joined"].split()[0]) + int(told["cached"].split()[0]) == 100
    again = next(line for line in reversed(out.splitlines()) if "200/200" in line)
    assert "archived" in again
    assert "executed" not in again
    assert "20 of 20 circuits executed; asked again: 0 executed, 20 cached" in out
    assert {path.name for path in (tmp_path / ".demo").iterdir()} == {"histograms.png", "ranking.png"}
    assert {path.name for path in tmp_path.iterdir()} == {".demo", "examples", "home"}
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize("when", ["starting", "running"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, family: list[psutil.Process], when: str) -> None:
    demo = launch(tmp_path)
    itself = psutil.Process(demo.pid)

    def reached() -> bool:
        children = itself.children(recursive=True)
        family[:] = {*family, *children}
        return any(("producer" if when == "running" else "redis") in command_line(child) for child in children)

    wait_until(reached, within=60)
    demo.send_signal(signal.SIGINT)
    out, _ = demo.communicate(timeout=30)
    assert demo.returncode == 0, out
    assert not (tmp_path / ".demo" / "sandbox").exists()
