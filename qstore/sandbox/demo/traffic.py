"""What the demo submits: benchmark circuits of many families and widths, with the repetition that real traffic has."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from mqt.bench import BenchmarkLevel, get_benchmark
from qiskit import QuantumCircuit

from qstore.circuits.codec import decode, encode

FAMILIES = ("ae", "bv", "dj", "ghz", "graphstate", "grover", "qaoa", "qft", "qpeexact", "vqe_su2", "wstate")
WIDTHS = range(3, 13)  # qubits
_NEAR = 12  # jobs back from which half of the repeats are taken: those still run


@dataclass(frozen=True, slots=True)
class Circuit:
    """One distinct circuit of the demo.

    Attributes:
        name: What it is called.
        text: As it travels: OpenQASM, or an encoded circuit.
    """

    name: str
    text: str

    def load(self) -> QuantumCircuit:
        """The circuit itself."""
        return decode(self.text)


def distinct_circuits(count: int, examples: Path, seed: int) -> list[Circuit]:
    """Circuits to submit: every example, and benchmarks up to `count`.

    Args:
        count: How many.
        examples: A folder of OpenQASM files; it may be missing.
        seed: Chooses the benchmarks.
    """
    files = sorted(examples.glob("*.qasm"))
    chosen = [Circuit(file.stem, file.read_text("utf-8")) for file in files]
    benchmarks = [(family, width) for family in FAMILIES for width in WIDTHS]
    random.Random(seed).shuffle(benchmarks)  # noqa: S311 - no secret
    for family, width in benchmarks[: max(0, count - len(chosen))]:
        circuit = get_benchmark(family, BenchmarkLevel.ALG, width)
        if not circuit.num_clbits:
            circuit.measure_all()
        circuit.name = f"{family} {width}"
        chosen.append(Circuit(circuit.name, encode(circuit)))
    return chosen


def order(distinct: int, jobs: int, seed: int) -> list[int]:
    """In which order circuits are submitted: each once, and repeats in between.

    Half of the repeats come right after their first, while it is still running.

    Args:
        distinct: Number of circuits.
        jobs: Number of jobs, at least as many.
        seed: Decides.

    Returns:
        For each job, the index of its circuit.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    repeats = [False] * distinct + [True] * (jobs - distinct)
    dice.shuffle(repeats)
    sequence: list[int] = []
    fresh = iter(range(distinct))
    for repeat in repeats:
        if repeat and sequence:
            recent = sequence[-_NEAR:] if dice.random() < 0.5 else sequence  # noqa: PLR2004 - half
            sequence.append(dice.choice(recent))
        else:
            sequence.append(next(fresh, 0))
    return sequence
