"""What the command line shows as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.table import Table

from qstore.state.tally import Tallied

_OUTCOMES = 16  # most outcomes a histogram shows


def histogram(result: Mapping[str, Any]) -> Table:
    """The counts of a result, the most frequent outcome first."""
    counts: dict[str, int] = result["counts"]
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    table = Table(
        box=None,
        show_header=False,
        title=f"{result['shots']} shots on {result['backend']}, {result['source']}",
        title_justify="left",
        caption=f"and {len(ranked) - _OUTCOMES} rarer outcomes" if len(ranked) > _OUTCOMES else None,
        caption_justify="left",
    )
    for outcome, count in ranked[:_OUTCOMES]:
        table.add_row(outcome, str(count), Bar(ranked[0][1], 0, count, width=40))
    return table


def tally(tallied: Tallied) -> Table:
    """Counters of the caches, those of results and those of compiled circuits side by side."""

    def share(rate: float | None) -> str:
        return "" if rate is None else f"{rate:.1%}"

    table = Table("", "results", "circuits", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, of_results, of_circuits in (
        ("hits", f"{tallied.hits:,}", f"{tallied.circuit_hits:,}"),
        ("joins", f"{tallied.joins:,}", ""),
        ("recalls", f"{tallied.recalls:,}", ""),
        ("misses", f"{tallied.misses:,}", f"{tallied.circuit_misses:,}"),
        ("hit rate", share(tallied.hit_rate), share(tallied.circuit_hit_rate)),
        ("evictions", f"{tallied.evictions:,}", f"{tallied.circuit_evictions:,}"),
        ("stored", f"{tallied.results:,}", f"{tallied.circuits:,}"),
        ("bytes", f"{tallied.result_bytes:,}", f"{tallied.circuit_bytes:,}"),
        ("money saved", f"{tallied.saved_usd:,.2f} USD", ""),
    ):
        table.add_row(name, of_results, of_circuits)
    return table
