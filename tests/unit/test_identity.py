"""What makes two jobs the same run, and what does not."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qstore.circuits.canonical import canonicalize
from qstore.identity import level_of, run_id_of
from qstore.job import Level, Options


def flip() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    return circuit


def test_only_a_job_that_takes_nobody_s_execution_has_a_run_of_its_own() -> None:
    canonical = canonicalize(flip())

    def run_ids(options: Options) -> set[str]:
        return {run_id_of(canonical, options, job_id) for job_id in ("one", "another")}

    shared = run_ids(Options())
    assert len(shared) == 1
    assert run_ids(Options(reuse="inflight")) == run_ids(Options(max_age=1.0)) == shared
    assert len(run_ids(Options(reuse="never"))) == 2
    assert not run_ids(Options(reuse="never")) & shared
    assert run_id_of(canonical, Options(reuse="never"), "one") == run_id_of(canonical, Options(reuse="never"), "one")


@pytest.mark.parametrize(
    ("options", "default", "expected"),
    [
        (Options(), "commuting", "commuting"),
        (Options(), "exact", "exact"),
        (Options(), "semantic", "semantic"),
        (Options(noise_model="aria-1"), "semantic", "commuting"),
        (Options(backend="qpu.forte-1"), "semantic", "commuting"),
        (Options(backend="qpu.forte-1"), "exact", "exact"),
        (Options(backend="qpu.forte-1", fingerprint_level="semantic"), "exact", "semantic"),
        (Options(fingerprint_level="exact"), "semantic", "exact"),
    ],
)
def test_where_there_is_noise_gates_that_cancel_count_unless_the_caller_says_otherwise(
    options: Options, default: Level, expected: Level
) -> None:
    assert level_of(options, default) == expected
