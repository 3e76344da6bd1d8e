"""From a circuit to the bytes IonQ reads: qstore beside `transpile()` and qiskit-ionq's own serializer.

Cold: a circuit nobody compiled before, in a process that did compile others. Again: the same circuit once more, from
the memory of the process; plain code has none. A family: one structure and a hundred sets of angles, all of them new.

What is timed is all that a producer does for a circuit, Redis aside. Plain code transpiles for qiskit-ionq's backend
and serializes; qstore also takes the circuit apart and names it, by which it will know it again, so its time is shown
with that and without. All compile at the same level, in turns, and each ran once before the clock starts.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from matplotlib.ticker import FuncFormatter
from qiskit import QuantumCircuit, transpile
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ
from qiskit_ionq.ionq_backend import IonQBackend
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from circuit_classes import CIRCUITS, TEMPLATES, bound
from plot import plotted
from qstore.circuits.canonical import canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.family import Family
from qstore.circuits.targets import find_backend

SIMULATOR = find_backend("simulator")
BINDINGS = 100
TURNS = 5
_MILLI, _MICRO = 1e3, 1e6

Work = Callable[[], object]

warnings.simplefilter("ignore", IonQTranspileLevelWarning)
IONQ = IonQBackend(
    provider=None,  # type: ignore[arg-type]  # only who runs something needs one
    name="ionq_simulator",
    description="",
    gateset="qis",
    num_qubits=SIMULATOR.qubits,
    simulator=True,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One circuit or family, as medians in seconds.

    Attributes:
        name: Of its class.
        qubits: How many.
        gates: Before compilation, without measurements.
        sent: Gates on the wire, qstore's and the plain way's.
        plain: Seconds of the plain way.
        ours: Seconds of qstore, by what is counted.
    """

    name: str
    qubits: int
    gates: int
    sent: tuple[int, int]
    plain: float
    ours: Mapping[str, float]


def plainly(circuit: QuantumCircuit, optimization_level: int) -> str:
    """As code without qstore does it: transpiled, and written by qiskit-ionq's function for IonQ's gate list."""
    return serialized(transpile(circuit, backend=IONQ, optimization_level=optimization_level))


def sent(circuit: QuantumCircuit, optimization_level: int) -> tuple[int, int]:
    """Gates on the wire, qstore's and the plain way's."""
    wires = (
        Compiler().compile(canonicalize(circuit), SIMULATOR, optimization_level),
        plainly(circuit, optimization_level),
    )
    ours, plain = [len(json.loads(wire)) for wire in wires]
    return ours, plain


def serialized(compiled: QuantumCircuit) -> str:
    """A compiled circuit, by qiskit-ionq."""
    gates, _, _ = qiskit_circ_to_ionq_circ(compiled)
    return json.dumps(gates)


def medians(works: Sequence[Work], seconds: float) -> list[float]:
    """Median seconds of each, in turns of some repetitions, for so many seconds in all; at least two turns."""
    for work in works:
        work()
    gc.collect()
    gc.freeze()  # what the benchmark holds is nothing any of them should pay for
    times: list[list[float]] = [[] for _ in works]
    slot = seconds / TURNS / len(works)
    end = time.perf_counter() + seconds
    turns = 0
    while time.perf_counter() < end or turns < 2:  # noqa: PLR2004  turns
        turns += 1
        for work, taken in zip(works, times, strict=True):
            over = time.perf_counter() + slot
            now = 0.0
            while now < over:
                begin = time.perf_counter()
                work()
                now = time.perf_counter()
                taken.append(now - begin)
    return [statistics.median(taken) for taken in times]


def circuit_row(name: str, circuit: QuantumCircuit, optimization_level: int, seconds: float) -> Row:
    """One circuit, cold and warm."""
    canonical = canonicalize(circuit)
    cold, warm = Compiler(capacity=0), Compiler()
    warm.compile(canonical, SIMULATOR, optimization_level)
    works: list[Work] = [
        lambda: plainly(circuit, optimization_level),
        lambda: cold.compile(canonical, SIMULATOR, optimization_level),
        lambda: canonicalize(circuit),
        lambda: warm.compile(canonical, SIMULATOR, optimization_level),
    ]
    plain, compiled, named, remembered = medians(works, seconds)
    return Row(
        name=name,
        qubits=circuit.num_qubits,
        gates=canonical.gates,
        sent=sent(circuit, optimization_level),
        plain=plain,
        ours={"compile": compiled, "cold": named + compiled, "warm": named + remembered},
    )


class Bindings:
    """Ways to make a hundred circuits of a template; every call draws new angles.

    Args:
        template: Has free parameters.
        optimization_level: Qiskit's.
    """

    def __init__(self, template: QuantumCircuit, optimization_level: int) -> None:
        self._template = template
        self._level = optimization_level
        self._draws = np.random.default_rng(1)

    def _rows(self) -> list[list[float]]:
        rows: list[list[float]] = self._draws.uniform(-3, 3, (BINDINGS, self._template.num_parameters)).tolist()
        return rows

    def transpiled_each(self) -> None:
        """Plain code."""
        for row in self._rows():
            plainly(self._template.assign_parameters(row), self._level)

    def transpiled_once(self) -> None:
        """Careful plain code."""
        compiled = transpile(self._template, backend=IONQ, optimization_level=self._level)
        for row in self._rows():
            serialized(compiled.assign_parameters(row))

    def as_family(self) -> None:
        """As `submit_circuits(template, parameter_values=...)` does it."""
        compiler = Compiler()
        family = Family(self._template, compiler, SIMULATOR, self._level, "commuting")
        for row in self._rows():
            member = family.member(row)
            if member.wire is None:
                compiler.compile(member.canonical, SIMULATOR, self._level)

    def as_circuits(self) -> None:
        """As `submit_circuits` does it with circuits that were bound before."""
        compiler = Compiler()
        for row in self._rows():
            compiler.compile(canonicalize(self._template.assign_parameters(row)), SIMULATOR, self._level)


def family_row(name: str, template: QuantumCircuit, optimization_level: int, seconds: float) -> Row:
    """A hundred members, by every way."""
    ways = Bindings(template, optimization_level)
    plain, once, family, circuits = medians(
        [ways.transpiled_each, ways.transpiled_once, ways.as_family, ways.as_circuits], seconds
    )
    example = bound(template)
    return Row(
        name=name,
        qubits=template.num_qubits,
        gates=canonicalize(example).gates,
        sent=sent(example, optimization_level),
        plain=plain,
        ours={"family": family, "one by one": circuits, "transpiled once": once},
    )


def cold_table(rows: Sequence[Row]) -> Table:
    """What compiling takes, with and without naming the circuit."""
    table = _table(
        "Cold: a circuit nobody compiled before",
        "Microseconds, each followed by how many times as long the plain way takes.",
    )
    for heading in (
        "gates sent:\nqstore",
        "plain",
        "µs:\nplain",
        "compile",
        "times",
        "name,\ncompile",
        "times",
        "name,\nagain",
        "times",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [f"{number:,}" for number in row.sent]
        cells.append(f"{row.plain * _MICRO:,.0f}")
        for ours in row.ours.values():
            cells += [f"{ours * _MICRO:,.0f}", _ratio(row.plain / ours)]
        table.add_row(row.name, f"{row.qubits}", f"{row.gates:,}", *cells)
    return table


def family_table(rows: Sequence[Row]) -> Table:
    """What a hundred bindings take."""
    table = _table(
        f"A family of {BINDINGS} bindings",
        "Milliseconds for all, each followed by how many times as long the plain way takes, which transpiles each. "
        "Transpiled once is what careful plain code does; it names no circuit.",
    )
    for heading in ("gates sent:\nqstore", "plain", "ms:\nplain", "as a\nfamily", "times", "one by\none", "times"):
        table.add_column(heading, justify="right")
    table.add_column("transpiled\nonce", justify="right")
    for row in rows:
        family, circuits, once = row.ours.values()
        table.add_row(
            *(row.name, f"{row.qubits}", f"{row.gates:,}", *(f"{number:,}" for number in row.sent)),
            *(f"{row.plain * _MILLI:,.0f}", f"{family * _MILLI:,.1f}", _ratio(row.plain / family)),
            *(f"{circuits * _MILLI:,.0f}", _ratio(row.plain / circuits), f"{once * _MILLI:,.0f}"),
        )
    return table


def _table(title: str, caption: str) -> Table:
    table = Table(title=f"\n{title}", caption=caption, title_justify="left", caption_justify="left")
    table.box, table.pad_edge, table.collapse_padding = SIMPLE_HEAD, False, True
    table.add_column("class")
    for heading in ("qubits", "gates"):
        table.add_column(heading, justify="right")
    return table


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"  # noqa: PLR2004  two digits


def draw(cold: Sequence[Row], families: Sequence[Row], file: Path) -> None:
    """Draw how many times as fast qstore is into a PNG file."""
    with plotted(file, 9, 6.5) as axes:
        bars = [
            *((f"{row.name}, {row.qubits} qubits", row.plain / row.ours["cold"], "#4c72b0") for row in cold),
            *(
                (f"{row.name}, {row.qubits} qubits, {BINDINGS} bindings", row.plain / row.ours["family"], "#55a868")
                for row in families
            ),
        ][::-1]
        names, ratios, colors = zip(*bars, strict=True)
        drawn = axes.barh(names, ratios, color=colors)
        axes.bar_label(drawn, [_ratio(ratio) for ratio in ratios], padding=3, fontsize=8)
        axes.axvline(1, color="#555555", linewidth=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(axis="y", labelsize=8)
        axes.set_xlabel("times as fast as transpile() and qiskit-ionq's serializer (log scale)")
        axes.figure.suptitle(
            "Circuit to wire, naming included: new circuits (blue), families with new angles (green)", fontsize=11
        )
        axes.margins(x=0.1, y=0.01)


@click.command()
@click.option("--level", default=1, show_default=True, type=click.IntRange(0, 3), help="Optimization level of both.")
@click.option("--seconds", default=1.0, show_default=True, help="Seconds for each circuit, at least.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG file to draw the ratios into.")
def main(level: int, seconds: float, picture: Path | None) -> None:
    """Print what it takes to make wire bytes of circuits of many classes."""
    console = Console()
    with console.status("compiling"):
        cold = [circuit_row(name, circuit, level, seconds) for name, circuit in CIRCUITS.items()]
        families = [family_row(name, template, level, seconds) for name, template in TEMPLATES.items()]
    console.print(cold_table(cold))
    console.print(family_table(families))
    if picture is not None:
        draw(cold, families, picture)


if __name__ == "__main__":
    main()
