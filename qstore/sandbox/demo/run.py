"""The demo from start to end: traffic through, every count checked, again without Redis's memory, a search besides."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qstore.sandbox.demo.exact import allowed_distance, distance, exact_distribution
from qstore.sandbox.demo.forget import forget
from qstore.sandbox.demo.picture import Panel, draw_histograms
from qstore.sandbox.demo.producers import SEED, SHOTS, End, push
from qstore.sandbox.demo.search import search
from qstore.sandbox.demo.traffic import Circuit, distinct_circuits
from qstore.sandbox.process import SandboxError
from qstore.sandbox.sandbox import Sandbox
from qstore.settings import Settings

DISTINCT = 100
EXAMPLES = Path("examples")  # OpenQASM files, beside where the demo runs; more benchmarks where there are none
LATENCY = 0.4  # seconds the stand-in takes over a job
_DOUBT = 1e-9  # chance that honest shots fail the demo, for each circuit
_PANELS = ("ae", "qaoa", "vqe_su2", "wstate")


def run_demo(sandbox: Sandbox, folder: Path, console: Console) -> None:
    """Push the traffic through a running sandbox, check it, say what happened; again from the archive; and search.

    Args:
        sandbox: Running.
        folder: Where the picture goes.
        console: To print to.

    Raises:
        SandboxError: A job failed, or counts are farther from the exact distribution than shots explain.
    """
    before = sandbox.stats()
    circuits = distinct_circuits(DISTINCT, EXAMPLES, SEED)
    ends = push(sandbox, circuits, console)
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
    forget(sandbox)
    console.print("\nRedis forgets everything, and the same jobs come again:")
    _check_archived(push(sandbox, circuits, console), sandbox.stats()["circuits_accepted"] - after["circuits_accepted"])
    console.print("\nVectors, ranked by the fidelity of quantum states:")
    search(sandbox, folder, console)


def _check_archived(ends: Sequence[End], bought: int) -> None:
    executed = sum(1 for end in ends if end.result and end.result["source"] == "executed")
    if executed or bought:
        raise SandboxError(f"{executed} jobs were executed and {bought} circuits bought that the archive should know")


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
