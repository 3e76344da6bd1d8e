"""Jobs per second of 1, 2 and 4 worker replicas, where IonQ takes half a second over each job: who bounds them when.

Four curves in one run, each with another bound:

- the settings as they are: IonQ's limit on jobs in flight, which is the same for any number of replicas;
- slots in plenty, and an IonQ as far away as the internet: the replicas' sessions;
- slots in plenty, and an IonQ next door: the cores of this machine, which replicas and servers share;
- the plain Celery task that waits for its job, through the same stand-in: worker slots.

A round is a backlog, queued while the replicas are frozen, then worked off: it is timed from the thaw until every
result is in the result backend, and no producer takes a core meanwhile.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from curves import Curve, Point, draw
from qstore.sandbox.sandbox import Sandbox
from qstore.settings import Settings
from replicas import Replicas, cpu
from rounds import circuits, timed

COUNTS = (1, 2, 4)
LATENCY = 0.5  # seconds IonQ takes over a job
ROUND_TRIP = 0.1  # seconds to an IonQ that is far away
PLENTY = 1000  # slots
SHOTS = 100

# jobs in a round: about three seconds' worth
WARM_UP, DEFAULTS, NEAR = 100, 400, 2000
FAR, PLAIN = 300, 20  # for each replica

Submit = Callable[[int], Sequence[Any]]  # so many jobs; their results


class Bench:
    """Has backlogs worked off, and measures that.

    Args:
        sandbox: Redis and the IonQ stand-in.
        progress: Is told of jobs that ended.
        rounds: How many; their medians count.
    """

    def __init__(self, sandbox: Sandbox, progress: Progress, rounds: int) -> None:
        self._sandbox = sandbox
        self._progress = progress
        self._rounds = rounds
        self._task = progress.add_task("", total=None)

    def point(self, name: str, replicas: Replicas, submit: Submit, jobs: int) -> Point:
        """The medians of some rounds of so many jobs.

        Args:
            name: What the progress bar says.
            replicas: Who works.
            submit: Submits so many jobs.
            jobs: In a round.
        """
        self._progress.reset(self._task, description=f"{len(replicas)} replicas: {name}", total=jobs * self._rounds)
        rounds = [self._round(replicas, submit, jobs) for _ in range(self._rounds)]
        return Point(*(statistics.median_low(getattr(each, field.name) for each in rounds) for field in fields(Point)))

    def _round(self, replicas: Replicas, submit: Submit, jobs: int) -> Point:
        replicas.freeze()
        results = submit(jobs)

        def let_go() -> Sequence[Any]:
            replicas.thaw()
            return results

        before = self._used(replicas)
        rate = timed(let_go, lambda ended: self._progress.advance(self._task, ended))
        seconds, *used = (now - then for now, then in zip(self._used(replicas), before, strict=True))
        return Point(len(replicas), rate, *(each / seconds for each in used))

    def _used(self, replicas: Replicas) -> tuple[float, ...]:
        """So far: seconds; requests, seconds of jobs at IonQ; CPU seconds of replicas, of servers, and of nobody."""
        stats = self._sandbox.stats()
        ionq = float(stats["requests"]), stats["jobs_accepted"] * LATENCY
        servers = sum(map(cpu, (self._sandbox.ionq, self._sandbox.redis)))
        return time.perf_counter(), *ionq, replicas.cpu(), servers, psutil.cpu_times().idle

    def move_ionq(self, round_trip: float) -> None:
        """Have every answer of IonQ take so many seconds from now on; 0 for as little as it can."""
        faults = f"{self._sandbox.ionq.url}/sandbox/faults"
        httpx.delete(faults).raise_for_status()
        if round_trip:
            late = {"kind": "stall_after", "stall": round_trip, "probability": 1}
            httpx.post(faults, json=late).raise_for_status()


@click.command()
@click.option("--rounds", default=1, show_default=True, help="Rounds of each kind; their medians count.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG file to draw the curves into.")
def main(rounds: int, picture: Path | None) -> None:
    """Print jobs per second by number of replicas, and what bounds them."""
    console = Console()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(Path(folder) / "data", workers=0, flower=False, postgres=False, latency=LATENCY) as sandbox,
        bar as progress,
    ):
        os.environ.update(sandbox.environment)
        # the settings are read at import
        from polling import execute  # noqa: PLC0415
        from qstore import submit_circuits  # noqa: PLC0415
        from qstore.app import app, settings  # noqa: PLC0415

        numbers = itertools.count()

        def qstore(jobs: int) -> Sequence[Any]:
            start = next(numbers) * 10_000
            submitted: Sequence[Any] = submit_circuits(circuits(jobs, start), shots=SHOTS).results
            return submitted

        def plain(jobs: int) -> Sequence[Any]:
            return [execute.delay(number / jobs) for number in range(jobs)]

        bench = Bench(sandbox, progress, rounds)
        by_default, far, near, waiting = [], [], [], []
        with Replicas(sandbox, "polling") as replicas:
            for count in COUNTS:
                replicas.scale(count)
                bench.point("warming up", replicas, qstore, WARM_UP)
                by_default.append(bench.point(f"{settings.max_concurrent_jobs} slots", replicas, qstore, DEFAULTS))
                waiting.append(bench.point("plain tasks", replicas, plain, PLAIN * count))
        with Replicas(sandbox, "polling", unbound(settings)) as replicas:
            for count in COUNTS:
                replicas.scale(count)
                bench.point("warming up", replicas, qstore, WARM_UP)
                near.append(bench.point(f"{PLENTY} slots, IonQ next door", replicas, qstore, NEAR))
                bench.move_ionq(ROUND_TRIP)
                far.append(bench.point(f"{PLENTY} slots, IonQ far away", replicas, qstore, FAR * count))
                bench.move_ionq(0.0)
        threads = app.conf.worker_concurrency
        app.close()

    limit = settings.max_concurrent_jobs * settings.batch_size / LATENCY
    curves = [
        Curve(f"{PLENTY} slots, IonQ next door", bound_by_cores(near), near),
        Curve(f"{PLENTY} slots, IonQ {ROUND_TRIP:g} s away", bound_by_sessions(settings, far), far),
        Curve(
            f"{settings.max_concurrent_jobs} slots as by default, IonQ next door",
            bound_by_ionq(settings, limit, by_default),
            by_default,
        ),
        Curve("plain Celery tasks that wait for IonQ", bound_by_threads(settings, threads), waiting),
    ]
    for curve in curves:
        console.print(curve.table())
    ratios = (f"{ours.rate / theirs.rate:.1f}" for ours, theirs in zip(by_default, waiting, strict=True))
    console.print(f"\nqstore with its default slots over plain tasks: {', '.join(ratios)} with {COUNTS} replicas.")
    if picture is not None:
        title = f"One circuit a job, {settings.batch_size} jobs in a batch; IonQ takes {LATENCY:g} s over a batch"
        draw(title, curves, limit, f"IonQ's limit at {settings.max_concurrent_jobs} slots", picture)


def unbound(settings: Settings) -> dict[str, str]:
    """Settings under which neither slots nor the breaker keep replicas from using all of their sessions."""
    return {
        "QSTORE_MAX_CONCURRENT_JOBS": str(PLENTY),
        # as many requests may be under way at a time, of all replicas
        "QSTORE_FAILURE_THRESHOLD": str(max(COUNTS) * settings.ionq_pool_max_size),
    }


def bound_by_ionq(settings: Settings, limit: float, points: Sequence[Point]) -> str:
    """Why the curve is flat with the settings as they are."""
    slots, size, one = settings.max_concurrent_jobs, settings.batch_size, points[0]
    return (
        f"Bound by IonQ: {slots} jobs of {size} circuits at a time, whoever sends them, so {limit:g} jobs/s at most. "
        f"One replica, and {one.workers:.1f} cores, made {one.rate / limit:.0%} of that: a slot was taken for "
        f"{slots * size / one.rate:.2f} s, {LATENCY:g} s at IonQ and the rest until the end was noticed and read."
    )


def bound_by_sessions(settings: Settings, points: Sequence[Point]) -> str:
    """Why it grows with the replicas where IonQ is far away."""
    sessions = settings.ionq_pool_max_size
    busy = ", ".join(f"{point.requests * ROUND_TRIP / (point.replicas * sessions):.0%}" for point in points)
    return (
        f"Bound by the replicas: each has {sessions} sessions, and a request takes {ROUND_TRIP:g} s. From start to end "
        f"of a round their sessions were busy for {busy} of the time."
    )


def bound_by_cores(points: Sequence[Point]) -> str:
    """Why it soon stops growing where IonQ is near."""
    one, most = points[0], points[-1]
    return (
        f"Bound by this machine, whose {os.cpu_count()} cores run the servers and this script, too. One replica used "
        f"{one.workers:.1f} of them, {most.replicas} together {most.workers:.1f}; {most.idle:.1f} stayed idle."
    )


def bound_by_threads(settings: Settings, threads: int) -> str:
    """Why it grows with the replicas, from next to nothing, where tasks wait."""
    slots = settings.max_concurrent_jobs
    return (
        f"Bound by worker slots: {threads} in a replica, each taken for as long as IonQ takes over one circuit. Under "
        f"IonQ's limit of {slots} jobs at a time, unheeded here, they could never pass {slots / LATENCY:g} jobs/s."
    )


if __name__ == "__main__":
    main()
