"""`qstore sandbox`: everything answers while it runs, nothing is left when it has stopped."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import psutil
import psycopg
import pytest
import redis

from conditions import wait_until
from qstore.sandbox.process import SandboxError
from qstore.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Command:
    """`qstore sandbox` as a user runs it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env_file = folder / "env"
        self.output = folder / "output"
        arguments = ["sandbox", "--workers", "1", "--env-file", str(self.env_file)]
        with self.output.open("w") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", "from qstore.cli import main; main()", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_up(self) -> None:
        wait_until(lambda: self.env_file.exists() or self.popen.poll() is not None, within=60, what="the env file")
        assert self.popen.poll() is None, self.output.read_text()

    @property
    def environment(self) -> dict[str, str]:
        words = [shlex.split(line) for line in self.env_file.read_text().splitlines()]
        assert all(word[0] == "export" for word in words)
        return dict(word[1].split("=", 1) for word in words)

    @property
    def flower(self) -> str:
        found = re.search(r"Flower: (\S+)", self.output.read_text())
        assert found
        return found[1]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.popen.pid).children(recursive=True)

    def left_behind(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"output"}


@contextmanager
def running(folder: Path, *, up: bool = True) -> Iterator[Command]:
    command = Command(folder)
    try:
        if up:
            command.wait_until_up()
        yield command
    finally:
        command.popen.kill()
        command.popen.wait()


def test_everything_answers_and_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path) as command:
        environment = command.environment
        family = command.family()

        with redis.Redis.from_url(environment["QSTORE_REDIS_URL"]) as client:
            assert client.ping()
        with psycopg.connect(environment["QSTORE_PGVECTOR_URL"]) as connection:
            assert connection.execute("SELECT '[1,2]'::vector <-> '[1,4]'::vector").fetchone() == (2.0,)
        with httpx.Client(trust_env=False) as http:
            jobs = f"{environment['QSTORE_IONQ_URL']}/jobs"
            good = {"Authorization": f"apiKey {environment['IONQ_API_KEY']}"}
            assert http.get(jobs, headers=good).status_code == 200
            assert http.get(jobs, headers={"Authorization": "apiKey guess"}).status_code == 403
            # Flower has seen the worker register
            workers = f"{command.flower}/api/workers?refresh=1"
            wait_until(lambda: "worker1@" in http.get(workers, timeout=10).text, what="the worker in Flower")
        assert [process for process in family if "worker1@%h" in process.cmdline()]

        command.popen.send_signal(signal.SIGINT)
        assert command.popen.wait(timeout=15) == 0, command.output.read_text()

        gone, left = psutil.wait_procs(family, timeout=3)
        assert gone
        assert not left
        assert command.left_behind() == set()


def test_a_server_that_dies_stops_the_rest_and_is_named(tmp_path: Path) -> None:
    with running(tmp_path) as command:
        family = command.family()
        [server] = [process for process in family if process.name() == "redis-server"]

        server.send_signal(signal.SIGKILL)

        assert command.popen.wait(timeout=20) == 1
        assert "Error: redis ended by itself, signal 9" in command.output.read_text()
        _, left = psutil.wait_procs(family, timeout=3)
        assert not left
        assert command.left_behind() == set()


def test_a_termination_while_servers_start_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path, up=False) as command:
        wait_until(lambda: len(command.family()) >= 3, what="the first processes")
        family = command.family()

        command.popen.send_signal(signal.SIGTERM)

        assert command.popen.wait(timeout=15) == 0, command.output.read_text()
        _, left = psutil.wait_procs(family, timeout=3)
        assert not left
        assert command.left_behind() == set()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
def test_no_process_outlives_a_killed_sandbox(tmp_path: Path) -> None:
    with running(tmp_path) as command:
        family = command.family()
        assert len(family) >= 5

        command.popen.kill()

        _, left = psutil.wait_procs(family, timeout=10)
        assert not left


def test_two_sandboxes_never_share_a_folder(tmp_path: Path) -> None:
    def sandbox() -> Sandbox:
        return Sandbox(tmp_path / "data", workers=0, postgres=False, flower=False)

    with sandbox() as first:
        with pytest.raises(SandboxError, match="another sandbox uses"):
            sandbox().start()
        first.check()
        assert first.stats()

    assert not (tmp_path / "data").exists()


def test_a_folder_that_was_there_before_stays_with_what_it_held(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")

    with Sandbox(tmp_path, workers=0, postgres=False, flower=False):
        pass

    assert (tmp_path / "notes").read_text() == "mine"
    assert (tmp_path / "redis" / "appendonly.aof").exists()


def test_replicas_come_and_go_and_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    home = os.environ["HOME"]
    with Sandbox(tmp_path / "data", workers=1, postgres=False, flower=False) as sandbox:
        added = sandbox.add_worker()
        assert [worker.name for worker in sandbox.workers] == ["worker1", "worker2"]
        assert added.pid
        environment = psutil.Process(added.pid).environ()

        sandbox.kill_worker(0)
        sandbox.check()

        assert [worker.name for worker in sandbox.workers] == ["worker2"]

    assert environment["HOME"] != home
    assert all(environment[name].startswith(str(tmp_path / "data")) for name in ("HOME", "TMPDIR"))
