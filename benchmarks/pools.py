"""What it costs to borrow from Pool[T], beside SQLAlchemy's QueuePool and psycopg_pool's ConnectionPool.

The members do nothing, so that the pools alone are measured, and each pool does its least: no check, no reset, no
pre-ping. Rounds alternate in one process, so that whatever else the machine does meets all alike.

Alone, one thread borrows and gives back: once as the pool's manual recommends, once without a `with` block; SQLAlchemy
knows only the one way. In a crowd there are four threads to a member, and whoever has one lets go of the interpreter as
input and output do: for a moment, or for a millisecond.

Fairness is Jain's index of how often each thread had a member within the time: the square of the sum over the number
of threads times the sum of the squares. It is 1 where all had one equally often, and 1/16 where one thread had all.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

import click
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy.pool import QueuePool

from plot import plotted
from workers.pool import Pool

MEMBERS = 4
THREADS = 4 * MEMBERS

_OURS = "Pool[T]"
_TIMEOUT = 60.0  # seconds to wait for a member; no wait here is as long
_HOLDS = {"held for a moment": 0.0, "held for 1 ms": 1e-3}  # seconds

Way = Callable[[Callable[[], object]], object]
"""Borrows a member, calls what it is given, and gives the member back."""


class Member:
    """A connection that does nothing, as all three pools want to see it."""

    transaction_status = TransactionStatus.IDLE

    def __init__(self) -> None:
        self.pgconn = self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to commit."""

    @classmethod
    def connect(cls, *_: object, **__: object) -> Self:
        """Another one."""
        return cls()

    def close(self) -> None:
        """There is nothing to close."""


class Pools:
    """The three, each with all its members made."""

    def __init__(self) -> None:
        self.ours = Pool(Member.connect, Member.close, min_size=MEMBERS, max_size=MEMBERS, timeout=_TIMEOUT)
        self.ours.open(wait=True)
        stub: Any = Member  # no subclass of psycopg's, which would want a server
        self.psycopg: ConnectionPool[Any] = ConnectionPool(
            connection_class=stub, min_size=MEMBERS, max_size=MEMBERS, timeout=_TIMEOUT, open=False
        )
        self.psycopg.open(wait=True)
        dbapi: Any = Member.connect
        self.sqlalchemy = QueuePool(
            dbapi, pool_size=MEMBERS, max_overflow=0, timeout=_TIMEOUT, reset_on_return=None, pre_ping=False
        )
        for connection in [self.sqlalchemy.connect() for _ in range(MEMBERS)]:
            connection.close()

    def close(self) -> None:
        """Close all three."""
        self.ours.close()
        self.psycopg.close()
        self.sqlalchemy.dispose()

    def blocks(self) -> dict[str, Way]:
        """Each as its manual recommends."""

        def ours(act: Callable[[], object]) -> None:
            with self.ours.acquire():
                act()

        def psycopg(act: Callable[[], object]) -> None:
            with self.psycopg.connection():
                act()

        return {_OURS: ours, "psycopg_pool": psycopg, "SQLAlchemy": self._sqlalchemy}

    def pairs(self) -> dict[str, Way]:
        """Each without a `with` block."""

        def ours(act: Callable[[], object]) -> None:
            member = self.ours.take()
            act()
            self.ours.release(member)

        def psycopg(act: Callable[[], object]) -> None:
            connection = self.psycopg.getconn()
            act()
            self.psycopg.putconn(connection)

        return {_OURS: ours, "psycopg_pool": psycopg, "SQLAlchemy": self._sqlalchemy}

    def _sqlalchemy(self, act: Callable[[], object]) -> None:
        connection = self.sqlalchemy.connect()
        act()
        connection.close()


@dataclass
class Run:
    """What was measured of one pool, round by round.

    Attributes:
        rates: Acquisitions a second.
        waits: Seconds until a thread had a member, of all rounds; empty where nobody measured.
        fairness: Jain's index of the threads' shares.
    """

    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    fairness: list[float] = field(default_factory=list)


Runs = Mapping[str, Run]
"""By the pool's name."""


def nothing() -> None:
    """What a member is used for where only borrowing counts."""


def alone(ways: Mapping[str, Way], rounds: int, turns: int) -> Runs:
    """One thread, so many turns in a round; one more round, the first, warms up."""
    runs: Runs = defaultdict(Run)
    for number in range(rounds + 1):
        for name, way in ways.items():
            gc.collect()
            began = time.perf_counter()
            for _ in range(turns):
                way(nothing)
            if number:
                runs[name].rates.append(turns / (time.perf_counter() - began))
    return runs


def crowd(ways: Mapping[str, Way], rounds: int, seconds: float, hold: float) -> Runs:
    """Four threads to a member, for so many seconds a round; one more round, the first, warms up."""
    runs: Runs = defaultdict(Run)
    for number in range(rounds + 1):
        for name, way in ways.items():
            gc.collect()
            waits, took = _crowded(way, seconds if number else seconds / 4, hold)
            if number:
                run, turns = runs[name], [len(each) for each in waits]
                run.rates.append(sum(turns) / took)
                run.waits += [wait for each in waits for wait in each]
                run.fairness.append(sum(turns) ** 2 / (THREADS * sum(count**2 for count in turns)))
    return runs


def _crowded(way: Way, seconds: float, hold: float) -> tuple[list[list[float]], float]:
    """Every thread's waits, and how long it all took."""
    start = threading.Barrier(THREADS + 1)
    waits: list[list[float]] = [[] for _ in range(THREADS)]

    def borrow(mine: list[float]) -> None:
        start.wait()
        over = time.perf_counter() + seconds
        while (came := time.perf_counter()) < over:

            def use(came: float = came) -> None:
                mine.append(time.perf_counter() - came)
                time.sleep(hold)

            way(use)

    threads = [threading.Thread(target=borrow, args=(mine,)) for mine in waits]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return waits, time.perf_counter() - began


def ratios(runs: Runs) -> dict[str, float]:
    """Each pool's rate over that of the faster of the other two's, in the same round; the median of all rounds."""
    others = [run.rates for name, run in runs.items() if name != _OURS]
    faster = max(others, key=median)
    return {
        name: median(rate / beside for rate, beside in zip(run.rates, faster, strict=True))
        for name, run in runs.items()
    }


def quantile(values: list[float], share: float) -> float:
    """The value that so large a share of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(title: str, runs: Runs) -> Table:
    """A line for each pool."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("pool", no_wrap=True)
    waited = all(run.waits for run in runs.values())
    for heading in (
        "acquisitions/s",
        "\u00b5s each",
        "ratio",
        *(("p50 wait", "p99 wait", "fairness") if waited else ()),
    ):
        made.add_column(heading, justify="right")
    beside = ratios(runs)
    for name, run in runs.items():
        rate = median(run.rates)
        cells = [f"{rate:,.0f}", f"{1e6 / rate:,.2f}", f"{beside[name]:.2f}"]
        if waited:
            cells += [f"{quantile(run.waits, share) * 1e3:,.2f} ms" for share in (0.5, 0.99)]
            cells.append(f"{median(run.fairness):.4f}")
        made.add_row(name, *cells)
    return made


def draw(found: Mapping[str, Runs], file: Path) -> None:
    """Draw each pool's rate over that of the faster of the other two into a PNG file."""
    with plotted(file, 7, 4.2) as axes:
        names = list(next(iter(found.values())))
        for place, name in enumerate(names):
            at = [group + 0.26 * (place - 1) for group in range(len(found))]
            axes.bar(at, [ratios(runs)[name] for runs in found.values()], width=0.24, label=name)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_xticks(range(len(found)), [title.replace(", ", "\n") for title in found], fontsize=9)
        axes.set_ylabel("rate, over the faster of the other two")
        axes.set_title("Borrowing a member that does nothing", fontsize=11)
        axes.legend(frameon=False, fontsize=9)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Of each pool, alternating; medians are shown.")
@click.option("--turns", default=20_000, show_default=True, help="Acquisitions in a round of one thread.")
@click.option("--seconds", default=0.4, show_default=True, help="A round of many threads takes.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG file to draw the ratios into.")
def main(rounds: int, turns: int, seconds: float, picture: Path | None) -> None:
    """Print what it costs to borrow, alone and in a crowd."""
    console, pools = Console(), Pools()
    try:
        found = {
            "alone, in a block": alone(pools.blocks(), rounds, turns),
            "alone, without one": alone(pools.pairs(), rounds, turns),
        }
        for title, hold in _HOLDS.items():
            found[f"in a crowd, {title}"] = crowd(pools.blocks(), rounds, seconds, hold)
    finally:
        pools.close()
    for title, runs in found.items():
        console.print(table(title[0].upper() + title[1:], runs))
    console.print(
        f"{MEMBERS} members; a crowd is {THREADS} threads. Ratio: over the faster of the other two, median of {rounds} "
        "rounds. Fairness: Jain's index of the threads' shares."
    )
    if picture is not None:
        draw(found, picture)


if __name__ == "__main__":
    main()
