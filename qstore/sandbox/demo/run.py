"""The demo from start to end: sandbox up, traffic through, every count checked, one table, one picture."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from qstore.sandbox.demo.exact import allowed_distance, distance, exact_distribution
from qstore.sandbox.demo.picture import Panel, draw_histograms
from qstore.sandbox.demo.traffic import Circuit, distinct_circuits, order
from qstore.sandbox.process import Process, SandboxError, stop_all
from qstore.sandbox.sandbox import Sandbox
from qstore.settings import Settings

JOBS = 200
DISTINCT = 100
SHOTS = 1000
PRODUCERS = 3
EXAMPLES = Path("examples")  # OpenQASM files, beside where the demo runs; more benchmarks where there are none
LATENCY = 0.4  # seconds the stand-in takes over a job
SEED = 7
_PACE = 0.02  # seconds between two jobs of one producer
_DOUBT = 1e-9  # chance that honest shots fail the demo, for each circuit
_PANELS = ("ae", "qaoa", "vqe_su2", "wstate")
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


def run_demo(sandbox: Sandbox, folder: Path, console: Console) -> None:
    """Push the traffic through a running sandbox, check it, and say what happened.

    Args:
        sandbox: Running.
        folder: Where the picture goes.
        console: To print to.

    Raises:
        SandboxError: A job failed, or counts are farther from the exact distribution than shots explain.
    """
    before = sandbox.stats()
    circuits = distinct_circuits(DISTINCT, EXAMPLES, SEED)
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
    after = sandbox.stats()
    bought = {name: after[name] - before[name] for name in ("requests", "jobs_accepted", "circuits_accepted")}
    exact = {index: exact_distribution(circuit.load()) for index, circuit in enumerate(circuits)}
    worst, distances = _distances(exact, ends)
    console.print(_table(ends, bought, after["connections"], circuits[worst].name, distances[worst]))
    picture = folder / "histograms.png"
    draw_histograms(_panels(circuits, exact, ends), picture)
    console.print(f"Histograms: {picture}")
    measured, allowed = distances[worst]
    if measured > allowed:
        raise SandboxError(
            f"{circuits[worst].name}: counts are {measured:.4f} from the exact distribution, "
            f"shots explain {allowed:.4f}"
        )


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


def _distances(
    exact: Mapping[int, Mapping[str, float]], ends: Sequence[End]
) -> tuple[int, dict[int, tuple[float, float]]]:
    """For each circuit the largest measured and the allowed distance; and the circuit closest to its limit."""
    distances: dict[int, tuple[float, float]] = {}
    for end in ends:
        if end.result is None:
            continue
        distribution = exact[end.circuit]
        measured = distance(distribution, end.result["counts"])
        if measured >= distances.get(end.circuit, (0.0, 0.0))[0]:
            distances[end.circuit] = (measured, allowed_distance(distribution, SHOTS, _DOUBT))
    worst = max(distances, key=lambda index: distances[index][0] / distances[index][1])
    return worst, distances


def _table(
    ends: Sequence[End], bought: Mapping[str, int], connections: int, worst: str, far: tuple[float, float]
) -> Table:
    sources = Counter(end.result["source"] for end in ends if end.result)
    seconds = [end.seconds for end in ends]
    batches, circuits = bought["jobs_accepted"], bought["circuits_accepted"]
    most = Settings().batch_size  # the environment's, as the workers have it
    p95 = statistics.quantiles(seconds, n=20)[-1]
    table = Table(show_header=False, title="What happened", title_justify="left")
    table.add_row("jobs", f"{len(ends)}")
    table.add_row("  executed", f"{sources['executed']}")
    table.add_row("  joined", f"{sources['joined']}  the same circuit was running")
    table.add_row("  cached", f"{sources['cached']}  a fresh result was known")
    table.add_row("circuits bought", f"{circuits}")
    table.add_row("batches", f"{batches}  {circuits / batches:.1f} of at most {most} circuits in each")
    table.add_row("IonQ requests", f"{bought['requests']}")
    table.add_row("TCP connections", f"{connections}")
    table.add_row("latency", f"p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s")
    table.add_row("farthest counts", f"{worst}: {far[0]:.3f} from exact, {SHOTS} shots explain {far[1]:.3f}")
    return table


def _panels(circuits: Sequence[Circuit], exact: Mapping[int, Mapping[str, float]], ends: Sequence[End]) -> list[Panel]:
    counts = {end.circuit: end.result["counts"] for end in ends if end.result}
    chosen: list[Panel] = []
    for family in _PANELS:
        likely = [
            index for index, circuit in enumerate(circuits) if circuit.name.startswith(family) and index in counts
        ]
        index = min(likely or list(counts), key=lambda index: abs(len(next(iter(counts[index]))) - 4))
        chosen.append(Panel(circuits[index].name, exact[index], counts[index]))
    return chosen
