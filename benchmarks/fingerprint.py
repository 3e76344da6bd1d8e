"""What a fingerprint costs, beside hashes of the circuit as text, and how often it knows a circuit written differently.

All are timed in turn, in CPU time, on circuits that no cache has seen; of the rounds the fastest counts, since
whatever else the machine does only adds to it.
"""

from __future__ import annotations

import gc
import io
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import click
from qiskit import QuantumCircuit, qasm3, qpy
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from plot import plotted
from qstore.circuits.canonical import fingerprint
from qstore.circuits.recognition import Recognition
from qstore.job import LEVELS
from variants import CLIFFORD, EVERY_KIND, OTHER_GATES, SAME_GATES, USUAL, Kinds, hit_rates, random_circuit, table

SIZES = (30, 300, 3_000, 30_000)
"""Gates in a circuit."""

_QUBITS = 10
_GATES_A_ROUND = 3_000  # of small circuits there are several in a round
_ROUNDS = {30: 7, 300: 7, 3_000: 5, 30_000: 3}
_TEXTS = ("qasm3 text", "qpy")
_AGAIN = "same object again"

Seconds = Mapping[int, Mapping[str, float]]
"""A circuit's CPU time, by its number of gates, then by what was timed."""

_MIXES = {
    "usual gates, any angles": USUAL._replace(eighths=0),
    "usual gates, half of the angles multiples of pi / 4": USUAL,
    "every kind of gate that IonQ takes": EVERY_KIND,
    "Clifford gates only, no angles": CLIFFORD,
}
_SIZE = 300  # gates at which the mixes are compared


def qasm3_hash(circuit: QuantumCircuit) -> str:
    """sha256 of the circuit as OpenQASM 3."""
    return sha256(qasm3.dumps(circuit).encode()).hexdigest()


def qpy_hash(circuit: QuantumCircuit) -> str:
    """sha256 of the circuit as QPY."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return sha256(buffer.getvalue()).hexdigest()


def measure(kinds: Kinds, sizes: Sequence[int], seed: int) -> Seconds:
    """CPU time of each way to name a circuit.

    Args:
        kinds: Its gates.
        sizes: Of the circuits, in gates.
        seed: Of the circuits.
    """
    rng = random.Random(seed)  # noqa: S311  nobody's secret
    levels: dict[str, Callable[[QuantumCircuit], object]] = {
        level: partial(fingerprint, level=level) for level in LEVELS
    }
    ways = levels | dict(zip(_TEXTS, (qasm3_hash, qpy_hash), strict=True))
    found: dict[int, dict[str, float]] = {}
    for size in sizes:
        circuits = [random_circuit(_QUBITS, size, rng, kinds) for _ in range(max(1, _GATES_A_ROUND // size))]
        recognition = Recognition()
        for circuit in circuits * 2:
            recognition.read(circuit, "commuting")
        timed = ways | {_AGAIN: partial(recognition.read, level="commuting")}
        best: dict[str, float] = dict.fromkeys(timed, float("inf"))
        gc.collect()
        gc.freeze()
        for _ in range(_ROUNDS.get(size, 3)):
            for name, way in timed.items():
                began = time.process_time()
                for circuit in circuits:
                    way(circuit)
                best[name] = min(best[name], (time.process_time() - began) / len(circuits))
        found[size] = best
    return found


def costs(seconds: Seconds, gates: str) -> Table:
    """A line for each way and size: what a circuit takes, what a gate does, and how many times faster that is."""
    made = Table(
        title=f"CPU time of one circuit's name: {gates}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    made.add_column("gates", justify="right")
    made.add_column("named by", no_wrap=True)
    for heading in ("\u00b5s", "ns a gate", "x faster than\nsha256(qasm3)", "x faster than\nsha256(qpy)"):
        made.add_column(heading, justify="right")
    for size, ways in seconds.items():
        for place, (name, took) in enumerate(ways.items()):
            faster = [f"{ways[text] / took:,.1f}" for text in _TEXTS]
            cells = [f"{took * 1e6:,.1f}", f"{took * 1e9 / size:,.0f}", *faster]
            made.add_row(f"{size:,}" if not place else "", name, *cells, end_section=place + 1 == len(ways))
    return made


def draw(seconds: Seconds, file: Path) -> None:
    """Draw CPU time over gates into a PNG file."""
    with plotted(file, 7, 4.6) as axes:
        sizes = [*seconds]
        for name in seconds[sizes[0]]:
            style = "--" if name in _TEXTS else "-"
            axes.loglog(
                sizes, [seconds[size][name] * 1e3 for size in sizes], style, marker="o", markersize=3, label=name
            )
        axes.set_xlabel("gates")
        axes.set_ylabel("CPU time of one circuit, ms")
        axes.set_title("What it takes to name a circuit", fontsize=11)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)


@click.command()
@click.option("--size", "sizes", multiple=True, default=SIZES, show_default=True, help="Gates in a circuit.")
@click.option("--circuits", default=200, show_default=True, help="Circuits whose variants are named, too.")
@click.option("--gates", default=20, show_default=True, help="Gates in each of them.")
@click.option("--seed", default=1, show_default=True, help="Of all circuits.")
@click.option("--png", type=click.Path(path_type=Path), help="Draw the times into this file.")
def main(sizes: tuple[int, ...], circuits: int, gates: int, seed: int, png: Path | None) -> None:
    """Print what a fingerprint costs, and what it sees through."""
    console = Console()
    (first, kinds), *others = _MIXES.items()
    seconds = measure(kinds, sizes, seed)
    console.print(costs(seconds, first))
    for mix, kinds in others:  # what text costs depends on its angles: multiples of pi are found at once, others late
        console.print(costs(measure(kinds, (_SIZE,), seed), mix))
    rates = hit_rates({**SAME_GATES, **OTHER_GATES}, circuits, gates, seed)
    console.print(table(rates, f"Variants that share the fingerprint, of {circuits} circuits of {gates} gates"))
    if png is not None:
        draw(seconds, png)


if __name__ == "__main__":
    main()
