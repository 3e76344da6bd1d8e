"""Processes the sandbox starts: each in a group of its own, ready on a real condition, and never left behind.

Only processes started here are ever signaled. On Linux they also end with the interpreter that launched them,
however it is killed: the kernel signals each process when the *thread* that launched it ends, so launch from a
thread that stays.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from functools import cache
from typing import TYPE_CHECKING, Self

from qstore.errors import QstoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"

# Below the ranges systems take outgoing ports from, so no connection made meanwhile takes a chosen port.
_PORTS = range(20_000, 32_000)
_PAUSE = 0.02  # seconds between two looks


class SandboxError(QstoreError):
    """A process of the sandbox cannot start, did not get ready, or ended by itself."""


def choose_ports(*wanted: int | None) -> list[int]:
    """Free TCP ports on loopback, all different.

    Args:
        wanted: One port each; None or 0 for any.

    Raises:
        SandboxError: If a wanted port is taken.
    """
    with ExitStack() as held:  # all are held until all are chosen, so that they differ
        return [held.enter_context(_bind(port)).getsockname()[1] for port in wanted]


def _bind(port: int | None) -> socket.socket:
    for candidate in [port] if port else secrets.SystemRandom().sample(_PORTS, 100):
        held = socket.socket()
        # A port somebody asks for may still have old connections closing; that does not keep a server off it.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(bool(port)))
        try:
            held.bind((HOST, candidate))
        except OSError:
            held.close()
        else:
            return held
    raise SandboxError(f"port {port} is taken" if port else "no free port found")


class Process:
    """One process: launched, then ready, then stopped; in a `with` statement or by hand.

    Attributes:
        name: What messages call it; its log is `<name>.log`.
        command: The program and its arguments.
        folder: Its current directory, which holds its log. Made if missing.
        log: What it printed since its launch.
        url: Where it serves; empty where it does not.
        stop_signal: What asks it to end.
        stop_timeout: Seconds it then has, before its whole group is killed.
        orphan_signal: What the kernel sends it when its launcher is gone.
        user: Who it runs as; None for the launcher's own user.
    """

    url: str = ""
    stop_signal = signal.SIGTERM
    stop_timeout = 4.0
    orphan_signal = signal.SIGKILL
    user: str | None = None

    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.command = list(command)
        self.folder = folder.absolute()
        self.log = self.folder / f"{name}.log"
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None
        self._stop_by: float | None = None  # monotonic seconds, once asked to stop

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} pid={self.pid}>"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id; None while nothing is launched."""
        return self._popen.pid if self._popen else None

    def ready(self) -> bool:
        """Whether it can be used now. Must not block for more than a second."""
        return True

    def start(self, timeout: float = 30.0) -> None:
        """Launch it and wait until it is ready.

        Args:
            timeout: Seconds to wait.

        Raises:
            SandboxError: If it cannot start, ends, or is not ready in time.
        """
        self.launch()
        wait_until_ready([self], timeout)

    def run(self, timeout: float = 60.0) -> None:
        """Launch it and wait until it has done its work and ended.

        Args:
            timeout: Seconds to wait.

        Raises:
            SandboxError: If it cannot start, fails, or takes too long.
        """
        try:
            self.launch()
            deadline = time.monotonic() + timeout
            while not (ended := self._ended()):
                if time.monotonic() > deadline:
                    raise SandboxError(f"{self.name} took more than {timeout:g} s{self.tail()}")
                time.sleep(_PAUSE)
            if ended.si_status != 0:
                raise SandboxError(f"{self.name} failed, {_how(ended)}{self.tail()}")
        finally:
            self.kill()

    def launch(self) -> None:
        """Start the process without waiting for it.

        Raises:
            SandboxError: If the program cannot be run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("wb") as log:
                self._popen = subprocess.Popen(  # noqa: S603 - the sandbox's own commands, no shell
                    [*leash(self.orphan_signal), *self.command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=self._env,
                    user=self.user,
                    start_new_session=True,
                )
        except OSError as error:
            raise SandboxError(f"{self.name} cannot start: {error}") from error
        self._stop_by = None

    def check(self) -> None:
        """Do nothing while the process runs.

        Raises:
            SandboxError: If it has ended, with the end of its log.
        """
        if self._popen is None:
            raise SandboxError(f"{self.name} is not running")
        if ended := self._ended():
            raise SandboxError(f"{self.name} ended by itself, {_how(ended)}{self.tail()}")

    def finished(self) -> bool:
        """Whether it has done its work: ended by itself, with exit code 0."""
        ended = self._ended()
        return ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0

    def tail(self, lines: int = 20) -> str:
        """The end of its log, indented, to be put behind a message; empty where it said nothing."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """Send the stop signal, once, and return at once."""
        if self._popen and self._stop_by is None:
            self._stop_by = time.monotonic() + self.stop_timeout
            os.kill(self._popen.pid, self.stop_signal)

    def stop(self) -> None:
        """End the process: politely, and by force after `stop_timeout` seconds. Does nothing if it is not running."""
        self.ask_to_stop()
        while self._popen and not self._ended() and time.monotonic() < (self._stop_by or 0):
            time.sleep(_PAUSE)
        self.kill()

    def kill(self) -> None:
        """End the process and all of its group at once."""
        if self._popen is None:
            return
        # The process has not been reaped, so its number, which is its group's too, cannot be anybody else's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._popen = None

    def _ended(self) -> os.waitid_result | None:
        """How it ended, or None while it runs. It is left to be reaped by `kill`."""
        if self._popen is None:
            return None
        return os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def wait_until_ready(
    processes: Iterable[Process],
    timeout: float,
    on_ready: Callable[[Process], None] = lambda _: None,
) -> None:
    """Wait for all of them at once.

    Args:
        processes: Launched processes.
        timeout: Seconds to wait.
        on_ready: Is told of each as it gets ready.

    Raises:
        SandboxError: If one ends or is not ready in time; the message has the end of its log.
    """
    deadline = time.monotonic() + timeout
    waiting = list(processes)
    while True:
        for process in tuple(waiting):
            process.check()
            if process.ready():
                waiting.remove(process)
                on_ready(process)
        if not waiting:
            return
        if time.monotonic() > deadline:
            late = waiting[0]
            raise SandboxError(f"{late.name} was not ready within {timeout:g} s{late.tail()}")
        time.sleep(_PAUSE)


def stop_all(processes: Iterable[Process]) -> None:
    """Stop all of them at once: the slowest one sets the time."""
    together = list(processes)
    for process in together:
        process.ask_to_stop()
    for process in together:
        process.stop()


def leash(orphan_signal: signal.Signals) -> list[str]:
    """What to put before a command so that it gets `orphan_signal` when its launcher is gone; empty off Linux."""
    setpriv = _setpriv()
    return [setpriv, "--pdeathsig", orphan_signal.name.removeprefix("SIG"), "--"] if setpriv else []


@cache
def _setpriv() -> str | None:
    # util-linux's, not BusyBox's, which lacks the option; better than a `preexec_fn`, which forks with threads around
    setpriv = shutil.which("setpriv")
    return setpriv if setpriv and succeeds([setpriv, "--pdeathsig", "KILL", "--", "true"]) else None


def succeeds(command: Sequence[str]) -> bool:
    """Whether a quick command runs and exits with 0."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, timeout=5, check=False)  # noqa: S603 - own commands
        return done.returncode == 0
    return False


def _how(ended: os.waitid_result) -> str:
    return f"{'exit code' if ended.si_code == os.CLD_EXITED else 'signal'} {ended.si_status}"
