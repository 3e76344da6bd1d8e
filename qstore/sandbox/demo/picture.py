"""The histogram picture: measured frequencies beside the exact distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_MOST = 16  # bars in one panel


@dataclass(frozen=True, slots=True)
class Panel:
    """One circuit's counts.

    Attributes:
        title: What stands above.
        exact: Probabilities by bitstring.
        counts: Shots by bitstring.
    """

    title: str
    exact: Mapping[str, float]
    counts: Mapping[str, int]


def draw_histograms(panels: Sequence[Panel], file: Path) -> None:
    """Draw panels two abreast into a PNG file.

    Args:
        panels: An even number of them.
        file: Where to.
    """
    rows = len(panels) // 2
    figure = Figure(figsize=(12, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(rows, 2, squeeze=False).flat, panels, strict=False):
        shots = sum(panel.counts.values())
        likely = sorted(panel.exact, key=lambda bits: -panel.exact[bits])[:_MOST]
        shown = sorted(likely)
        axes.bar(shown, [panel.counts.get(bits, 0) / shots for bits in shown], color="#4c72b0", label="measured")
        axes.scatter(
            shown, [panel.exact[bits] for bits in shown], color="#dd8452", zorder=3, marker="_", s=220, label="exact"
        )
        axes.set_title(f"{panel.title} · {shots} shots", fontsize=10)
        axes.tick_params(axis="x", rotation=60, labelsize=7)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    figure.savefig(file, dpi=110)
