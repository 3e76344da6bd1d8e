"""The demo's traffic: several producer processes at once, followed until every job has ended."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from qstore.sandbox.demo.traffic import Circuit, order
from qstore.sandbox.process import Process, SandboxError, stop_all
from qstore.sandbox.sandbox import Sandbox

JOBS = 200
SHOTS = 1000
PRODUCERS = 3
SEED = 7
_PACE = 0.02  # seconds between two jobs of one producer
_DEADLINE = 80.0  # seconds for the traffic
_WATCH = 0.05  # seconds between two looks at the producers


@dataclass(frozen=True, slots=True)
class End:
    """How one job ended.

    Attributes:
        circuit: Index of its circuit.
        seconds: From the call to the counts.
        result: The result; None where it failed.
        error: What went wrong, else empty.
    """

    circuit: int
    seconds: float
    result: Mapping[str, Any] | None = None
    error: str = ""


class Producer(Process):
    """One producer process."""

    def __init__(self, number: int, folder: Path, share: Mapping[str, Any], env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"share{number}.json"
        file.write_text(json.dumps(share), "utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "qstore.sandbox.demo.producer", str(file.absolute())]
        super().__init__(f"producer{number}", command, folder, env)

    def ends(self) -> list[End]:
        """How its jobs ended so far."""
        *whole, _partial = self.log.read_text("utf-8").split("\n")
        try:
            return [End(**json.loads(line)) for line in whole]
        except ValueError:
            raise SandboxError(f"{self.name} is in trouble:{self.tail()}") from None


def push(sandbox: Sandbox, circuits: Sequence[Circuit], console: Console) -> list[End]:
    """Push all jobs through a running sandbox.

    Raises:
        SandboxError: One failed, or they take too long.
    """
    producers = _producers(sandbox, circuits)
    try:
        for producer in producers:
            producer.launch()
        ends = _follow(producers, console)
    finally:
        stop_all(producers)
    failed = [end.error for end in ends if end.result is None]
    if failed:
        raise SandboxError(f"{len(failed)} of {len(ends)} jobs failed; the first: {failed[0]}")
    return ends


def _producers(sandbox: Sandbox, circuits: Sequence[Circuit]) -> list[Producer]:
    jobs = [
        {"circuit": index, "name": circuits[index].name, "text": circuits[index].text}
        for index in order(len(circuits), JOBS, SEED)
    ]
    return [
        Producer(
            number,
            sandbox.data / "producers",
            {"jobs": jobs[number::PRODUCERS], "shots": SHOTS, "pace": _PACE},
            sandbox.child_environment,
        )
        for number in range(PRODUCERS)
    ]


def _follow(producers: Sequence[Producer], console: Console) -> list[End]:
    """Show the jobs as they end, until all have."""
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[sources]}"),
        TimeElapsedColumn(),
        console=console,
    )
    deadline = time.monotonic() + _DEADLINE
    with progress:
        bar = progress.add_task("jobs", total=JOBS, sources="")
        while True:
            ends = [end for producer in producers for end in producer.ends()]
            sources = Counter(end.result["source"] if end.result else "failed" for end in ends)
            said = ", ".join(f"{count} {source}" for source, count in sorted(sources.items()))
            progress.update(bar, completed=len(ends), sources=said)
            if len(ends) >= JOBS:
                return ends
            if time.monotonic() > deadline:
                raise SandboxError(f"only {len(ends)} of {JOBS} jobs ended within {_DEADLINE:g} s")
            for producer in producers:
                if not producer.finished():
                    producer.check()
            time.sleep(_WATCH)
