"""Jobs per second, end to end, beside plain no-op Celery tasks through the same Redis and the same worker.

Both kinds are produced by one process, executed by one worker process, carry the same events, late acknowledgment
and result settings, and are timed from the first call until every result is in the result backend. Rounds alternate,
so that whatever else the machine does meets both. The stand-in answers at once: what is measured is the queue, not
the physics.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from qstore.sandbox.sandbox import Sandbox
from rounds import circuits, timed

HERE = Path(__file__).parent


@click.command()
@click.option("--jobs", default=2000, show_default=True, help="Jobs in a round.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of each kind, alternating.")
def main(jobs: int, rounds: int) -> None:
    """Print jobs per second, and the ratio to no-op tasks of the same round."""
    console = Console()
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(Path(folder) / "data", workers=0, flower=False, postgres=False, latency=0.0) as sandbox,
    ):
        os.environ.update(sandbox.environment)
        # the stand-in answers at once, and ten jobs in flight would be all there is to measure
        os.environ["QSTORE_MAX_CONCURRENT_JOBS"] = "1000"
        # the settings are read at import
        from noop import noop  # noqa: PLC0415
        from qstore import submit_circuit, submit_circuits  # noqa: PLC0415
        from qstore.app import app  # noqa: PLC0415

        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "workers", "worker", "-I", "noop", "--loglevel", "WARNING"],
            env={**os.environ, **sandbox.environment, "PYTHONPATH": str(HERE)},
            stdout=subprocess.DEVNULL,  # its banner
        )
        try:
            noop.delay(0).get(timeout=60)
            kinds: dict[str, list[float]] = {"no-op task.delay": [], "submit_circuit.delay": [], "submit_circuits": []}
            # one unmeasured round of each warms caches on both sides
            for number in range(rounds + 1):
                first, second = circuits(jobs, 2 * number * jobs), circuits(jobs, (2 * number + 1) * jobs)
                rates = (
                    timed(lambda: [noop.delay(index) for index in range(jobs)]),
                    timed(lambda batch=first: [submit_circuit.delay(circuit, shots=100) for circuit in batch]),  # type: ignore[misc]
                    timed(lambda batch=second: submit_circuits(batch, shots=100).results),  # type: ignore[misc]
                )
                console.print(f"round {number}: " + ", ".join(f"{rate:,.0f}" for rate in rates) + " jobs/s")
                if number:
                    for kind, rate in zip(kinds.values(), rates, strict=True):
                        kind.append(rate)
            stats = sandbox.stats()
        finally:
            app.close()
            worker.terminate()
            worker.wait(30)

    plain = kinds["no-op task.delay"]
    table = Table(title=f"{jobs} jobs a round, medians of {rounds} rounds")
    table.add_column("kind")
    table.add_column("jobs/s", justify="right")
    table.add_column("ratio", justify="right")
    for name, rates_of in kinds.items():
        ratio = statistics.median(rate / beside for rate, beside in zip(rates_of, plain, strict=True))
        table.add_row(name, f"{statistics.median(rates_of):,.0f}", f"{ratio:.2f}")
    console.print(table)
    console.print(
        f"IonQ saw {stats['requests']:,} requests on {stats['connections']} connections "
        f"for {stats['circuits_accepted']:,} circuits."
    )


if __name__ == "__main__":
    main()
