"""At the border of the house: Redis away, nothing opened at import, random circuits through the whole path."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.random import random_circuit

from conditions import free_port, let_go_of_redis
from qstore import submit_circuits
from qstore.app import settings as configured
from qstore.sandbox.demo.exact import allowed_distance, distance, exact_distribution
from qstore.sandbox.sandbox import Sandbox

SHOTS = 2000


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One worker, Redis where the settings say, and IonQ: nothing else is looked at here."""
    folder, port = tmp_path_factory.mktemp("sandbox"), urlsplit(configured.redis_url).port
    with Sandbox(folder / "data", workers=1, redis_port=port, postgres=False, flower=False) as running:
        yield running
    let_go_of_redis()


@pytest.mark.parametrize(
    "call", ["submit_circuit.delay(c)", "submit_circuit.apply_async((c,), countdown=1)", "submit_circuits([c])"]
)
def test_with_redis_down_a_call_raises_within_a_second(call: str) -> None:
    program = f"""
import time
from qiskit import QuantumCircuit
from qstore import submit_circuit, submit_circuits
from qstore.errors import StoreUnavailableError
c = QuantumCircuit(1)
c.measure_all()
try:
    begin = time.perf_counter()
    {call}
except StoreUnavailableError as error:
    print(time.perf_counter() - begin, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "QSTORE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    seconds, said = done.stdout.split(" ", 1)
    assert float(seconds) < 5  # at most 1 where the machine is not busy; with retries of Celery it were 19
    assert "QSTORE_REDIS_URL" in said


def test_nothing_connects_at_import() -> None:
    program = """
import socket
def refuse(*args):
    raise AssertionError(f"connects at import: {args}")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import qstore.tasks, qstore.cli, qstore.sandbox.sandbox, workers.celery
print("quiet")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "quiet\n", done.stderr


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    """Random gates, several registers in any script, some qubits measured, into clbits in any order."""
    width = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**20))
    gates = random_circuit(width, draw(st.integers(0, 6)), max_operands=min(3, width), seed=seed)
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    names = draw(st.permutations(["c", "регистр", "鏡", "out put"]))
    registers = [ClassicalRegister(size, name) for size, name in zip(sizes, names, strict=False)]
    circuit = QuantumCircuit(QuantumRegister(width, draw(st.sampled_from(["q", "qubität"]))), *registers)
    circuit.compose(gates, inplace=True)
    clbits = draw(st.permutations(range(sum(sizes))))
    for clbit in clbits[: draw(st.integers(1, len(clbits)))]:
        circuit.measure(draw(st.integers(0, width - 1)), clbit)
    return circuit


@pytest.mark.usefixtures("sandbox")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(circuits(), min_size=1, max_size=12))
def test_counts_are_what_qiskit_says_for_random_circuits_through_the_whole_path(batch: list[QuantumCircuit]) -> None:
    begin = time.perf_counter()
    answers: list[Any] = submit_circuits(batch, shots=SHOTS, reuse=False).get(timeout=60)
    assert time.perf_counter() - begin < 60
    for circuit, answer in zip(batch, answers, strict=True):
        exact = exact_distribution(circuit)
        assert sum(answer["counts"].values()) == SHOTS
        assert answer["counts"].keys() <= exact.keys()
        assert distance(exact, answer["counts"]) <= allowed_distance(exact, SHOTS, doubt=1e-9)
        assert answer["probabilities"] == pytest.approx(exact, abs=1e-6)
