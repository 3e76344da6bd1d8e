"""The share of runs the service avoids in two workloads of the literature, at each level and with reuse turned off.

Both are workloads of the semantic circuit cache of arXiv 2604.26788: wire cutting, of whose subcircuit runs it avoids
up to 91.98 %, and QAOA under differential evolution, of whose evaluations it avoids up to 27.6 %. Little is known here
of their setup. Their group's open wire-cutting library, Qdislib, executes every fragment in each of the 8^k terms of k
cuts, and so does `wire_cutting`. The circuits, numbers of cuts, graphs, settings of the evolution and grids of angles
are ours, chosen plainly and not to meet a figure, so the published shares stand beside ours for orientation only. How
often an evolution repeats itself hangs on the grid of its angles: hence several.

Every answer is judged. Fragments have to give the distribution of the uncut circuit, and evolution has to take the
same path at every level. What the answers say of their source is held against the circuits that the IonQ stand-in
sold, and each level begins with an empty result cache.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import redis
from qiskit import QuantumCircuit
from rich.console import Console

from qaoa_evolution import Best, evolve
from qstore.result import Result
from qstore.sandbox.sandbox import Sandbox
from qstore.state.keys import Keys
from rounds import wait
from shares import Share, draw, table
from wire_cutting import distribution_of, fragments, parity, problems, reconstruct, runs

LEVELS: Mapping[str, Mapping[str, str]] = {
    "none": {"reuse": "never"},
    "exact": {"fingerprint_level": "exact"},
    "commuting": {"fingerprint_level": "commuting"},
    "semantic": {"fingerprint_level": "semantic"},
}
"""The options of a call, by what the table calls it."""

WIRE_CUTTING, EVOLUTION = "wire cutting", "QAOA-DE"
PUBLISHED = {WIRE_CUTTING: 0.9198, EVOLUTION: 0.276}
TITLE = "Runs avoided, by which circuits count as the same"

_EXACT = 1e-6  # how far a reconstructed probability may be off: the stand-in's answers are exact
_SETTINGS = {
    "QSTORE_RESULT_TTL": "3600",  # no result may go stale in a run
    # the stand-in answers at once; what is left is the pause between two looks
    "QSTORE_POLL_FLOOR": "0.02",
    "QSTORE_BATCH_TIMEOUT": "0.02",
    "QSTORE_MAX_CONCURRENT_JOBS": "1000",
}


class Counted:
    """Executes circuits on the service, and counts what that took.

    Args:
        sandbox: Where the service runs.
        options: Of every call.

    Attributes:
        asked: Circuits submitted.
        copies: Those of them that are, gate for gate, one submitted before.
        executed: Answers that come from an execution of their own.
    """

    def __init__(self, sandbox: Sandbox, options: Mapping[str, Any]) -> None:
        self.asked = self.copies = self.executed = 0
        self._sandbox = sandbox
        self._options = dict(options)
        self._sold = self._all_sold()
        self._texts: set[object] = set()
        self._fingerprints: set[str] = set()

    def __call__(self, circuits: Sequence[QuantumCircuit]) -> list[Result]:
        """Execute circuits in one call of `submit_circuits`.

        Raises:
            RuntimeError: One failed.
        """
        # settings are read at import
        from qstore import submit_circuits  # noqa: PLC0415

        results = submit_circuits(circuits, progress=False, **self._options).results
        wait(results)
        answers: list[Result] = [result.get() for result in results]
        self.count(circuits, answers)
        return answers

    def count(self, circuits: Sequence[QuantumCircuit], answers: Sequence[Result]) -> None:
        """Count circuits and where their answers come from."""
        texts = [gates_of(circuit) for circuit in circuits]
        self.asked += len(texts)
        self.copies += len(texts) - len({*texts} - self._texts)
        self.executed += sum(answer["source"] == "executed" for answer in answers)
        self._texts.update(texts)
        self._fingerprints.update(answer["fingerprint"] for answer in answers)

    def check(self) -> None:
        """Do nothing while the books agree.

        Raises:
            RuntimeError: IonQ sold another number of circuits than the answers say, or an answer was there before.
        """
        sold = self._all_sold() - self._sold
        if sold != self.executed:
            raise RuntimeError(f"IonQ sold {sold} circuits, and the answers say {self.executed}.")
        needed = self.asked if self._options.get("reuse") == "never" else len(self._fingerprints)
        if self.executed != needed:
            raise RuntimeError(f"{self.executed} circuits were executed, and {needed} had to be.")

    def _all_sold(self) -> int:
        sold: int = self._sandbox.stats()["circuits_accepted"]
        return sold


def gates_of(circuit: QuantumCircuit) -> object:
    """Names, angles and qubits of a circuit's gates in their order: what a cache without any insight would look for."""
    return tuple(
        (step.operation.name, *step.operation.params, *(circuit.find_bit(qubit).index for qubit in step.qubits))
        for step in circuit.data
    )


class Workload(NamedTuple):
    """What is to be executed.

    Attributes:
        name: What the table calls it.
        published: The share its publication says.
        work: Does it, judges the answers, and says in a few words what came out.
    """

    name: str
    published: float
    work: Callable[[Counted], str]


def workloads(seed: int, layers: int, generations: int, grids: Sequence[int]) -> Iterator[Workload]:
    """Wire cutting, and an evolution on each grid."""
    yield Workload(WIRE_CUTTING, PUBLISHED[WIRE_CUTTING], lambda service: cut_and_reconstruct(service, seed))
    for steps in (None, *grids):
        name = f"{EVOLUTION}, as drawn" if steps is None else f"{EVOLUTION}, 1/{steps} turn"
        evolution = Evolution(layers, generations, seed, steps)
        yield Workload(name, PUBLISHED[EVOLUTION], evolution)


def cut_and_reconstruct(service: Counted, seed: int) -> str:
    """Cut every circuit, execute its fragments, and put its distribution together.

    Raises:
        RuntimeError: It is not that of the uncut circuit.
    """
    off, from_counts = 0.0, 0.0
    for problem in problems(seed):
        cuts = len(problem.cuts)
        parts = fragments(problem.circuit, problem.cuts)
        answers = service(runs(parts, cuts))
        expected = distribution_of(problem.circuit)
        found = reconstruct(parts, cuts, [_probabilities(answer) for answer in answers])
        off = max(off, float(np.abs(found - expected).max()))
        if not off < _EXACT:
            raise RuntimeError(f"{problem.name}: fragments give another distribution, {off:g} off.")
        shares = [{bits: count / answer["shots"] for bits, count in answer["counts"].items()} for answer in answers]
        sampled = parity(reconstruct(parts, cuts, shares))
        from_counts = max(from_counts, abs(sampled - parity(expected)))
    return f"all distributions exact to {off:.0e}; from counts, <Z…Z> is at most {from_counts:.2f} off"


class Evolution:
    """An evolution that is done at several levels, and has to take the same path at each.

    Args:
        layers: See `evolve`.
        generations: See `evolve`.
        seed: See `evolve`.
        steps: See `evolve`.
    """

    def __init__(self, layers: int, generations: int, seed: int, steps: int | None) -> None:
        self._layers, self._generations, self._seed, self._steps = layers, generations, seed, steps
        self._first: Best | None = None

    def __call__(self, service: Counted) -> str:
        """Do it once more.

        Raises:
            RuntimeError: It took another path than the first time.
        """
        best = evolve(
            lambda circuits: [_probabilities(answer) for answer in service(circuits)],
            layers=self._layers,
            generations=self._generations,
            seed=self._seed,
            steps=self._steps,
        )
        self._first = self._first or best
        if best != self._first:
            raise RuntimeError(f"The evolution found {best}, and at another level {self._first}.")
        return f"mean cut {best.cut:.4f} after {best.generations} generations"


def _probabilities(answer: Result) -> Mapping[str, float]:
    """The distribution behind the counts: what is computed from it does not depend on a draw."""
    probabilities = answer["probabilities"]
    if probabilities is None:
        raise RuntimeError("The service gave counts only.")
    return probabilities


def empty_result_cache(url: str, prefix: str) -> None:
    """Forget every outcome, while no job is under way.

    Args:
        url: Of Redis.
        prefix: Of the service's keys.
    """
    with redis.Redis.from_url(url) as client:
        keys = Keys(prefix)
        client.unlink(*keys.results, *client.scan_iter(keys.result("*"), count=1000))


@click.command()
@click.option("--shots", default=1000, show_default=True, help="Shots of each circuit.")
@click.option("--seed", default=0, show_default=True, help="Of the random circuit and of the evolution.")
@click.option("--layers", default=1, show_default=True, help="Layers of the QAOA circuit.")
@click.option("--generations", default=30, show_default=True, help="Generations of the evolution, at most.")
@click.option(
    "--grid", "grids", multiple=True, default=(256, 64), show_default=True, help="Steps a turn that angles are set in."
)
@click.option("--picture", type=click.Path(path_type=Path), help="PNG file to draw.")
def main(shots: int, seed: int, layers: int, generations: int, grids: tuple[int, ...], picture: Path | None) -> None:
    """Print the share of runs avoided in each workload at each level, beside the published one."""
    console = Console()
    shares: list[Share] = []
    published: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(
            Path(folder) / "data", workers=1, flower=False, postgres=False, latency=0.0, settings=_SETTINGS
        ) as sandbox,
    ):
        os.environ.update(sandbox.environment)
        # settings are read at import
        from qstore.app import app, settings  # noqa: PLC0415

        try:
            for workload in workloads(seed, layers, generations, grids):
                published[workload.name] = workload.published
                for level, options in LEVELS.items():
                    empty_result_cache(settings.redis_url, settings.key_prefix)
                    service = Counted(sandbox, {**options, "shots": shots})
                    began = time.perf_counter()
                    said = workload.work(service)
                    took = time.perf_counter() - began
                    service.check()
                    share = Share(workload.name, level, service.asked, service.executed, service.copies, took)
                    shares.append(share)
                    said = f"{workload.name}, {level}: {share.avoided:.2%} avoided; {said}"
                    console.print(said, highlight=False, soft_wrap=True)
        finally:
            app.close()
    console.print(table(f"\n{TITLE}", shares, published))
    console.print(
        "Copies are, gate for gate, a circuit asked before. In wire cutting they come of the 8 terms of a cut, which "
        "need 3 measurements and 6 states only, and of fragments that circuits cut in two ways share; in QAOA-DE of "
        "members that draw the same two others, and of a population that closes in on an optimum on a grid of angles. "
        "What a level avoids beyond them is what it sees through.",
        highlight=False,
    )
    if picture:
        draw(TITLE, shares, published, picture)


if __name__ == "__main__":
    main()
