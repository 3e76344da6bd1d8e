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


def well(found: Mapping[str, Any]) -> Table:
    """How all is, as `qstore.health.survey` found it: a line for each part of each replica, and for each of its pools.

    A pool shows members in use, there are, and at most; threads that wait now; and what went wrong so far.
    """
    table = Table(
        "replica", "part", "state", "ms", "pool", "in use/size/max", "waiting", "timeouts", "leaked", box=None
    )
    for column in table.columns:
        column.overflow = "fold"  # narrow terminals get more lines, not less words
    for column in (table.columns[3], *table.columns[5:]):
        column.justify = "right"
    redis = found["redis"]
    table.add_row("", "Redis", _state("ok" if redis["ok"] else "down"), _milliseconds(redis["seconds"]))
    for name, told in found["replicas"].items():
        if not told or not told.get("parts"):
            table.add_row(name, "", _state("silent"))
            continue
        for place, part in enumerate(told["parts"]):
            about = ["" if place else name, part["part"], _state(part["state"]), _milliseconds(part["seconds"])]
            for pool in part["pools"] or [None]:
                table.add_row(*about, *_pool(pool))
                about = [""] * len(about)
    return table


def _state(state: str) -> str:
    return f"[{'green' if state == 'ok' else 'red'}]{state}[/]"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.1f}"


def _pool(pool: Mapping[str, Any] | None) -> list[str]:
    if pool is None:
        return []
    members = f"{pool['in_use']}/{pool['size']}/{pool['max_size']}"
    return [pool["name"], members, *(str(pool[field]) for field in ("waiting", "timeouts", "leaked"))]
