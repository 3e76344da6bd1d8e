"""What a scaling benchmark found: measured points, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.ticker import NullLocator, ScalarFormatter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from plot import plotted


@dataclass(frozen=True, slots=True)
class Point:
    """What so many replicas did.

    Attributes:
        replicas: How many.
        rate: Jobs per second.
        requests: To IonQ, per second.
        in_flight: IonQ jobs under way, on average.
        workers: Cores the replicas used, on average, as below.
        servers: Cores of the IonQ stand-in and of Redis.
        idle: Cores nobody used.
    """

    replicas: int
    rate: float
    requests: float
    in_flight: float
    workers: float
    servers: float
    idle: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What any number of replicas did under the same circumstances.

    Attributes:
        name: Which circumstances.
        bounds: Whose limit it is.
        points: By rising number of replicas.
    """

    name: str
    bounds: str
    points: Sequence[Point]

    def table(self) -> Table:
        """All points, growth being the rate over that of the first."""
        table = Table(title=f"\n{self.name}", caption=self.bounds, title_justify="left", caption_justify="left")
        table.box, table.pad_edge, table.collapse_padding = SIMPLE_HEAD, False, True
        for heading in ("replicas", "jobs/s", "growth", "requests/s", "IonQ jobs\nin flight"):
            table.add_column(heading, justify="right")
        for whose in ("replicas", "servers", "idle"):
            table.add_column(f"cores:\n{whose}", justify="right")
        for point in self.points:
            growth = point.rate / self.points[0].rate
            cores = (point.workers, point.servers, point.idle)
            table.add_row(
                *(f"{point.replicas}", f"{point.rate:,.0f}", f"{growth:.2f}", f"{point.requests:,.0f}"),
                *(f"{each:.1f}" for each in (point.in_flight, *cores)),
            )
        return table


_COLORS = ("#4c72b0", "#55a868", "#8172b3", "#c44e52")
_CLOSE = 2  # times as high: a curve so close above takes the place of a number
_ABOVE, _BELOW = 7, -15  # where numbers stand, points


def draw(title: str, curves: Sequence[Curve], limit: float, limit_name: str, file: Path) -> None:
    """Draw jobs per second over replicas into a PNG file.

    Args:
        title: What stands above.
        curves: At most four, all over the same numbers of replicas.
        limit: Jobs per second, drawn as a line across.
        limit_name: What the line says.
        file: Where to.
    """
    with plotted(file, 9, 5.4) as axes:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for curve, color in zip(curves, _COLORS, strict=False):
            replicas = [point.replicas for point in curve.points]
            axes.plot(replicas, [point.rate for point in curve.points], "o-", color=color, label=curve.name)
            for place, point in enumerate(curve.points):
                crowded = any(point.rate < other.points[place].rate < _CLOSE * point.rate for other in curves)
                axes.annotate(
                    f"{point.rate:,.0f}",
                    (point.replicas, point.rate),
                    xytext=(0, _BELOW if crowded else _ABOVE),
                    textcoords="offset points",
                    ha="center",
                    color=color,
                    fontsize=9,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )
        axes.axhline(limit, color="#555555", linestyle="--", linewidth=1, label=f"{limit_name}: {limit:,.0f} jobs/s")
        axes.set_xticks(replicas)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlabel("worker replicas")
        axes.set_ylabel("jobs finished per second (log scale)")
        axes.set_title(title, fontsize=11)
        axes.margins(x=0.08, y=0.12)
        axes.grid(axis="y", alpha=0.25)
        axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
