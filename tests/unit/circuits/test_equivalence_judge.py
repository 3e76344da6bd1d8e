"""What shares a fingerprint is equivalent by MQT QCEC, too, which knows nothing of qstore: on MQT Bench's circuits.

QCEC compares what circuits do to any input. Semantic fingerprints promise less, outcomes from all zeros, and are
judged by those.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from mqt import qcec
from mqt.bench import BenchmarkLevel, get_benchmark
from qiskit import QuantumCircuit, transpile

from exact import probabilities
from qstore.circuits.canonical import fingerprint
from qstore.job import LEVELS
from variants import commuted, padded, renamed, reordered

NAMES = ("ghz", "qft", "wstate", "dj", "bv", "graphstate", "qaoa", "vqe_real_amp", "ae", "qpeexact", "grover")
QUBITS = 4


def measured(gates: QuantumCircuit) -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS, QUBITS)
    circuit.compose(gates, range(QUBITS), inplace=True)
    circuit.measure(range(QUBITS), range(QUBITS))
    return circuit


def written_otherwise(circuit: QuantumCircuit, rng: random.Random) -> Iterator[QuantumCircuit]:
    for variant in (renamed, reordered, commuted, padded):
        yield variant(circuit, rng)
    yield commuted(reordered(renamed(circuit, rng), rng), rng)
    for level in (0, 1):
        yield transpile(circuit, basis_gates=["h", "rx", "ry", "rz", "cx"], optimization_level=level, seed_transpiler=1)


def broken(circuit: QuantumCircuit, rng: random.Random) -> Iterator[QuantumCircuit]:
    """Without a gate; with one more; with one on other qubits; with one in another place."""
    gates = circuit.remove_final_measurements(inplace=False)
    place = rng.randrange(gates.size())
    for change in range(4):
        other = gates.copy()
        gate = other.data.pop(place)
        if change == 1:
            for _ in range(2):
                other.data.insert(place, gate)
        if change == 2:
            other.append(gate.operation, [*gate.qubits[1:], gates.qubits[rng.randrange(QUBITS)]][-len(gate.qubits) :])
        if change == 3:
            other.append(gate)
        yield measured(other)


def judged(one: QuantumCircuit, other: QuantumCircuit) -> bool:
    gates = [circuit.remove_final_measurements(inplace=False) for circuit in (one, other)]
    return bool(qcec.verify(*map(measured, gates)).considered_equivalent())  # which takes no qubits without a register


@pytest.mark.parametrize("name", NAMES)
def test_an_independent_judge_finds_equivalent_what_shares_a_fingerprint(name: str) -> None:
    rng = random.Random(name)
    plain = get_benchmark(name, BenchmarkLevel.INDEP, QUBITS).remove_final_measurements(inplace=False)
    circuit = measured(plain)
    shared, refused = 0, 0
    for other in [*written_otherwise(circuit, rng), *broken(circuit, rng)]:
        same = {level: fingerprint(circuit, level) == fingerprint(other, level) for level in LEVELS}
        if same["commuting"]:
            shared += 1
            assert judged(circuit, other), str(other)
        else:
            refused += not judged(circuit, other)
        if same["semantic"]:
            one, two = (probabilities(each.remove_final_measurements(inplace=False)) for each in (circuit, other))
            assert np.allclose(one, two, atol=1e-9), str(other)
    assert shared >= 2
    assert refused  # the judge can say no
