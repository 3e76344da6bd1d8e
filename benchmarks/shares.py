"""What share of a workload's runs was avoided at each level, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from plot import plotted


@dataclass(frozen=True, slots=True)
class Share:
    """What one workload took at one level.

    Attributes:
        workload: Which.
        level: Which circuits counted as the same.
        asked: Circuits submitted.
        executed: Those that IonQ was asked to execute.
        copies: Those submitted that are, gate for gate, one submitted before.
        seconds: From the first submission to the last answer, with all that the workload itself computes.
    """

    workload: str
    level: str
    asked: int
    executed: int
    copies: int
    seconds: float

    @property
    def avoided(self) -> float:
        """The share of runs avoided, 0 to 1."""
        return 1 - self.executed / self.asked


def table(title: str, shares: Sequence[Share], published: Mapping[str, float]) -> Table:
    """All shares, in their order.

    Args:
        title: What stands above.
        shares: Workload by workload.
        published: By workload, the share that somebody else measured, 0 to 1.
    """
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    made.add_column("workload", no_wrap=True)
    made.add_column("level", no_wrap=True)
    for heading in ("asked", "copies", "executed", "avoided", "paper,\nup to", "s"):
        made.add_column(heading, justify="right", no_wrap=True)
    for place, share in enumerate(shares):
        first = not place or shares[place - 1].workload != share.workload
        last = place + 1 == len(shares) or shares[place + 1].workload != share.workload
        made.add_row(
            *(share.workload if first else "", share.level, f"{share.asked:,}", f"{share.copies:,}"),
            *(f"{share.executed:,}", f"{share.avoided:.2%}"),
            *(f"{published[share.workload]:.2%}" if first else "", f"{share.seconds:.1f}"),
            end_section=last,
        )
    return made


_COLORS = ("#bbbbbb", "#4c72b0", "#55a868", "#8172b3")
_WIDTH = 0.2  # of a bar, in the distance of two workloads
_TALL = 10  # %: a bar as tall has room for its number


def draw(title: str, shares: Sequence[Share], published: Mapping[str, float], file: Path) -> None:
    """Draw the shares into a PNG file, one group of bars for each workload.

    Args:
        title: What stands above.
        shares: At most four levels, the same for each workload.
        published: By workload, as a line across its bars.
        file: Where to.
    """
    with plotted(file, 9, 4.6) as axes:
        workloads = list(dict.fromkeys(share.workload for share in shares))
        levels = list(dict.fromkeys(share.level for share in shares))
        for number, (level, color) in enumerate(zip(levels, _COLORS, strict=False)):
            heights = [100 * share.avoided for share in shares if share.level == level]
            at = [place + (number - (len(levels) - 1) / 2) * _WIDTH for place in range(len(workloads))]
            axes.bar(at, heights, _WIDTH, color=color, label=level)
            for place, height in zip(at, heights, strict=True):
                above, ink = (-10, "white") if height > _TALL else (2, "#333333")
                axes.annotate(
                    f"{height:.1f}",
                    (place, height),
                    xytext=(0, above),
                    textcoords="offset points",
                    ha="center",
                    color=ink,
                    fontsize=8,
                )
        reach = len(levels) * _WIDTH / 2
        for place, workload in enumerate(workloads):
            height = 100 * published[workload]
            label = "published, at most" if not place else "_"  # named once in the legend
            axes.hlines(
                height, place - reach, place + reach, color="#c44e52", linestyle="--", linewidth=1.2, label=label
            )
        axes.set_xticks(range(len(workloads)), workloads, fontsize=9)
        axes.set_ylabel("runs avoided, %")
        axes.set_ylim(0, 105)
        axes.set_title(title, fontsize=11)
        axes.grid(axis="y", alpha=0.25)
        axes.set_axisbelow(True)
        axes.figure.legend(loc="outside lower center", ncols=len(levels) + 1, frameon=False, fontsize=9)
