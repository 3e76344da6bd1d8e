"""Worker replicas that also know a benchmark's own tasks: started together, frozen and thawed together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from qstore.sandbox.process import Process, stop_all, wait_until_ready
from qstore.sandbox.sandbox import Sandbox, Worker

_HERE = Path(__file__).parent
_PATIENCE = 60.0  # seconds for all to get ready


class Replicas:
    """Replicas in a sandbox that has none of its own; in a `with` statement.

    Args:
        sandbox: Where they work.
        tasks: Module in this folder whose tasks they know besides.
        settings: Theirs, as the environment names them.
    """

    def __init__(self, sandbox: Sandbox, tasks: str, settings: Mapping[str, str] | None = None) -> None:
        self._sandbox = sandbox
        self._tasks = tasks
        self._settings = dict(settings or {})
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        stop_all(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def scale(self, count: int) -> None:
        """Start replicas until there are so many, and wait until they are ready.

        Raises:
            SandboxError: One does not get ready.
        """
        inherited = self._sandbox.child_environment
        path = os.pathsep.join([str(_HERE), *filter(None, [inherited.get("PYTHONPATH")])])
        environment = {**inherited, "PYTHONPATH": path, **self._settings}
        new = [Worker(number, self._sandbox.data, environment) for number in range(len(self._workers) + 1, count + 1)]
        for worker in new:
            worker.command += ["-I", self._tasks]
            self._workers.append(worker)
            worker.launch()
        wait_until_ready(new, _PATIENCE)

    def freeze(self) -> None:
        """Let them do nothing, without their knowing."""
        for worker in self._workers:
            psutil.Process(worker.pid).suspend()

    def thaw(self) -> None:
        """Let them go on."""
        for worker in self._workers:
            psutil.Process(worker.pid).resume()

    def cpu(self) -> float:
        """CPU seconds all of them have used."""
        return sum(map(cpu, self._workers))


def cpu(process: Process) -> float:
    """CPU seconds a process has used."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system
