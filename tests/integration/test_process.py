"""Processes of the sandbox: ready on a condition, stopped for sure, never left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from conditions import wait_until
from qstore.sandbox.process import HOST, Process, SandboxError, choose_ports, leash, stop_all, wait_until_ready

if TYPE_CHECKING:
    from pathlib import Path

# Ignores SIGTERM, starts a child that does the same, and says the child's number once both are deaf.
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    child = subprocess.Popen([sys.executable, __file__, "child"], stdout=subprocess.PIPE)
    child.stdout.readline()
    print("ready", child.pid, flush=True)
else:
    print(flush=True)
time.sleep(300)
"""


class Announced(Process):
    """Ready when its log says so."""

    def ready(self) -> bool:
        return "ready" in self.log.read_text()


def deaf(folder: Path) -> tuple[Announced, psutil.Process]:
    """A process that ignores the stop signal, and its child, which does too."""
    script = folder / "deaf.py"
    script.write_text(DEAF)
    process = Announced("deaf", [sys.executable, str(script)], folder)
    process.start(10)
    found = re.search(r"ready (\d+)", process.log.read_text())
    assert found
    return process, psutil.Process(int(found[1]))


def test_a_process_deaf_to_its_stop_signal_is_killed_with_its_child(tmp_path: Path) -> None:
    process, child = deaf(tmp_path)
    process.stop_timeout = 0.2

    process.stop()

    assert process.pid is None
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone


def test_several_deaf_processes_cost_the_time_of_one(tmp_path: Path) -> None:
    processes = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        process, _ = deaf(tmp_path / str(number))
        process.stop_timeout = 1.0
        processes.append(process)

    began = time.monotonic()
    stop_all(processes)

    assert 1.0 <= time.monotonic() - began < 3.0  # what one after the other takes


def test_a_process_that_ends_while_it_is_waited_for_is_reported_with_its_exit_code_and_last_words(
    tmp_path: Path,
) -> None:
    code = "import sys; print('out of paper'); sys.exit(3)"
    process = Announced("printer", [sys.executable, "-c", code], tmp_path)

    with pytest.raises(SandboxError, match=r"printer ended by itself, exit code 3\n  out of paper"), process:
        pass

    assert process.pid is None


def test_a_process_run_to_its_end_has_to_end_well_and_in_time(tmp_path: Path) -> None:
    Process("well", ["true"], tmp_path).run()
    with pytest.raises(SandboxError, match="badly failed, exit code 1"):
        Process("badly", ["false"], tmp_path).run()
    late = Process("late", ["sleep", "300"], tmp_path)
    with pytest.raises(SandboxError, match=r"late took more than 0\.1 s"):
        late.run(timeout=0.1)
    assert late.pid is None


def test_a_process_that_was_killed_by_somebody_is_reported_with_the_signal(tmp_path: Path) -> None:
    process = Process("sleeper", ["sleep", "300"], tmp_path)
    with process:
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        leader = psutil.Process(process.pid)
        wait_until(lambda: leader.status() == psutil.STATUS_ZOMBIE)
        with pytest.raises(SandboxError, match="sleeper ended by itself, signal 9"):
            process.check()


def test_a_process_that_never_gets_ready_is_given_up_and_stopped(tmp_path: Path) -> None:
    process = Announced("sleeper", ["sleep", "300"], tmp_path)
    process.launch()
    try:
        with pytest.raises(SandboxError, match=r"sleeper was not ready within 0\.1 s"):
            wait_until_ready([process], 0.1)
    finally:
        process.stop()


def test_a_program_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    process = Announced("nothing", ["/no/such/program"], tmp_path)

    with pytest.raises(SandboxError, match=r"(?s)nothing .*: .*/no/such/program"):
        process.start()


@pytest.mark.skipif(not leash(signal.SIGKILL), reason="needs util-linux's setpriv")
def test_a_process_ends_with_the_interpreter_that_launched_it_even_if_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from qstore.sandbox.process import Process
process = Process("sleeper", ["sleep", "300"], pathlib.Path({str(tmp_path)!r}))
process.launch()
print(process.pid, flush=True)
time.sleep(300)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        child = psutil.Process(int(launcher.stdout.readline()))
        wait_until(lambda: child.name() == "sleep")  # and no longer what keeps it on the leash
        launcher.kill()

    gone, _ = psutil.wait_procs([child], timeout=5)

    assert gone


def test_chosen_ports_all_differ_and_can_be_bound() -> None:
    ports = choose_ports(*[0] * 50)

    assert len(set(ports)) == 50
    for port in ports:
        with socket.socket() as server:
            server.bind((HOST, port))


def test_a_port_somebody_listens_on_is_refused() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SandboxError, match=f"port {port} is taken"):
            choose_ports(port)
