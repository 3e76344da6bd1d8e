"""The demo's search: digits like another one, by distance and by quantum fidelity, in one table and one picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from qstore.sandbox.process import Process, SandboxError
from qstore.sandbox.sandbox import Sandbox


def search(sandbox: Sandbox, folder: Path, console: Console) -> None:
    """Ask a running sandbox, twice.

    Args:
        sandbox: Running.
        folder: Where the picture goes.
        console: To print to.

    Raises:
        SandboxError: There was no answer, or circuits were executed again.
    """
    command = [sys.executable, "-W", "ignore", "-m", "qstore.sandbox.demo.digits"]
    asking = Process("search", command, sandbox.data / "producers", sandbox.child_environment)
    with console.status("ranking …"):
        asking.run()
    answer = json.loads(asking.log.read_text("utf-8").splitlines()[-1])
    first, again = answer["first"], answer["again"]
    console.print(_table(first["vectors"]))
    console.print(
        f"{first['circuits']['executed']} of {first['candidates']} circuits executed; "
        f"asked again: {again['circuits']['executed']} executed, {again['circuits']['cached']} cached"
    )
    picture = folder / "ranking.png"
    _draw(answer, picture)
    console.print(f"The digits: {picture}")
    if again["circuits"]["executed"]:
        raise SandboxError("the second query was not answered by the cache")


def _table(ranked: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("rank", "classical", "digit", "distance", "fidelity", box=None)
    for column in table.columns:
        column.justify = "right"
    for each in ranked:
        table.add_row(
            str(each["rank"]),
            str(each["classical_rank"]),
            str(each["payload"]["label"]),
            f"{-each['similarity']:.3f}",
            f"{each['fidelity']:.3f}",
        )
    return table


def _draw(answer: Mapping[str, Any], file: Path) -> None:
    """The digit asked about, then those found, nearest first, each with its fidelity."""
    ranked = answer["first"]["vectors"]
    figure = Figure(figsize=(1.2 * (len(ranked) + 1), 1.7), layout="constrained")
    FigureCanvasAgg(figure)
    row: Sequence[Axes] = list(figure.subplots(1, len(ranked) + 1))
    titles = ["asked", *(f"{each['fidelity']:.2f}" for each in ranked)]
    numbers = [str(answer["asked"]), *(each["id"] for each in ranked)]
    for axes, number, title in zip(row, numbers, titles, strict=True):
        axes.imshow(np.reshape(answer["images"][number], (8, 8)), cmap="gray_r")
        axes.set_title(title, fontsize=9)
        axes.axis("off")
    figure.savefig(file, dpi=110)
