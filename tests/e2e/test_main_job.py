"""What a user does: a circuit in, counts out, through the whole house."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from celery import Celery, chain, chord, group
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import hellinger_distance

from conditions import wait_until
from qstore import errors, submit_circuit, submit_circuits
from qstore.app import settings
from qstore.sandbox.sandbox import Sandbox

WITHIN = 60  # seconds
Bought = Callable[[], dict[str, Any]]

pytestmark = pytest.mark.usefixtures("sandbox")


def bell(angle: float = 0.0, name: str = "bell") -> QuantumCircuit:
    """A Bell pair; the angle makes it a circuit of its own."""
    circuit = QuantumCircuit(2, 2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rz(angle, 0)
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_a_circuit_goes_in_and_counts_come_out(bought: Bought) -> None:
    result = submit_circuit.delay(bell(0.1), shots=1000).get(timeout=WITHIN)
    assert set(result["counts"]) == {"00", "11"}
    assert sum(result["counts"].values()) == 1000
    assert result["probabilities"] == pytest.approx({"00": 0.5, "11": 0.5})
    assert result["shots"] == 1000
    assert result["backend"] == "simulator"
    assert result["name"] == "bell"
    assert result["source"] == "executed"
    assert len(result["fingerprint"]) == 64
    assert result["remote_id"]
    assert result["times"]["asked"] <= result["times"]["done"]
    assert json.loads(json.dumps(result)) == result
    assert bought()["circuits_accepted"] == 1


def test_the_same_circuit_is_bought_once_whoever_asks(bought: Bought) -> None:
    circuit = bell(0.2)
    first = [submit_circuit.delay(circuit, shots=200) for _ in range(5)]
    answers = [result.get(timeout=WITHIN) for result in first]
    assert sorted(answer["source"] for answer in answers) == ["executed", *["joined"] * 4]
    later = submit_circuit.delay(bell(0.2, name="under another name"), shots=200)
    assert later.state == "SUCCESS"
    answer = later.get(timeout=WITHIN)
    assert answer["source"] == "cached"
    assert answer["name"] == "under another name"
    assert {json.dumps(each["counts"]) for each in [*answers, answer]} == {json.dumps(answers[0]["counts"])}
    assert bought()["circuits_accepted"] == 1


def test_a_lost_answer_is_looked_up_and_not_paid_for_twice(sandbox: Sandbox, bought: Bought) -> None:
    # IonQ takes the job, and the connection breaks before it says so
    httpx.post(f"{sandbox.ionq.url}/sandbox/faults", json={"kind": "drop_after", "endpoint": "POST /jobs"})
    answer = submit_circuit.delay(bell(0.25), shots=100).get(timeout=WITHIN)
    assert sum(answer["counts"].values()) == 100
    assert bought()["circuits_accepted"] == 1


def test_reuse_false_buys_afresh(bought: Bought) -> None:
    for _ in range(2):
        assert submit_circuit.delay(bell(0.3), reuse=False).get(timeout=WITHIN)["source"] == "executed"
    assert bought()["circuits_accepted"] == 2


def test_a_seed_repeats_its_counts() -> None:
    circuit = bell(0.4)
    one, two = (submit_circuit.delay(circuit, shots=500, seed=7, reuse=False).get(timeout=WITHIN) for _ in range(2))
    assert one["counts"] == two["counts"]
    assert one["remote_id"] != two["remote_id"]


def test_memory_lists_every_shot() -> None:
    result = submit_circuit.delay(bell(0.5), shots=50, memory=True).get(timeout=WITHIN)
    assert len(result["memory"]) == 50
    assert {bits: result["memory"].count(bits) for bits in result["counts"]} == result["counts"]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is submitted in one call leaves together, however long this process waits for a processor."""
    monkeypatch.setattr("qstore.bulk._AGE", WITHIN)


@pytest.mark.usefixtures("at_once")
def test_a_full_batch_is_one_ionq_job_however_many_circuits(bought: Bought) -> None:
    results = submit_circuits([bell(1 + index / 100) for index in range(20)], shots=77)
    answers = results.get(timeout=WITHIN)
    assert len({answer["remote_id"] for answer in answers}) == 2
    assert bought()["jobs_accepted"] == 2
    assert bought()["circuits_accepted"] == 20


def test_submit_circuits_keeps_the_order_and_joins_its_own_repeats(bought: Bought) -> None:
    ones = [QuantumCircuit(3, 3) for _ in range(4)]
    for index, circuit in enumerate(ones):
        for qubit in range(3):
            if index >> qubit & 1:
                circuit.x(qubit)
        circuit.measure(range(3), range(3))
    answers = submit_circuits([*ones, *ones], shots=11).get(timeout=WITHIN)
    assert [answer["counts"] for answer in answers] == [{format(index, "03b"): 11} for index in [0, 1, 2, 3] * 2]
    assert bought()["circuits_accepted"] == 4


def test_apply_async_takes_what_celery_takes() -> None:
    result = submit_circuit.apply_async((bell(0.6),), {"shots": 10, "backend": "ionq_simulator"}, task_id="my-own-id")
    assert result.id == "my-own-id"
    assert sum(result.get(timeout=WITHIN)["counts"].values()) == 10


def test_a_service_without_qstore_or_qiskit_sends_openqasm() -> None:
    plain = Celery("elsewhere", broker=settings.redis_url, backend=settings.redis_url, set_as_current=False)
    text = qasm3.dumps(bell(0.7))
    result = plain.send_task("qstore.submit_circuit", [text], {"shots": 100}).get(timeout=WITHIN)
    assert sum(result["counts"].values()) == 100
    assert set(result["counts"]) == {"00", "11"}
    plain.close()


def test_counts_are_read_through_the_asker_s_registers() -> None:
    qubits = QuantumRegister(4, "κβάντο")
    left, right = ClassicalRegister(2, "左"), ClassicalRegister(3, "right")
    circuit = QuantumCircuit(qubits, left, right)
    circuit.x(0)
    circuit.h(2)
    circuit.cx(2, 3)
    circuit.measure(0, right[2])
    circuit.measure(2, left[1])
    circuit.measure(3, right[0])
    shots = 4000
    result = submit_circuit.delay(circuit, shots=shots).get(timeout=WITHIN)
    assert set(result["counts"]) == {"100 00", "101 10"}
    sampled = StatevectorSampler(seed=1).run([circuit], shots=shots).result()[0].join_data().get_counts()
    ours = {bits.replace(" ", ""): count for bits, count in result["counts"].items()}
    assert set(ours) == set(sampled)
    assert hellinger_distance(ours, sampled) < 0.05


@pytest.mark.usefixtures("at_once")
def test_a_mid_circuit_measurement_travels_alone_and_right(bought: Bought) -> None:
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(1, "première"), ClassicalRegister(2, "c"))
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [1, 2])
    with pytest.raises(errors.UnsupportedCircuitError, match="noise_model"):
        submit_circuit.delay(circuit, shots=30)
    others = submit_circuits([bell(0.8), bell(0.81)], shots=30)
    noisy = submit_circuit.delay(circuit, shots=30, noise_model="aria-1", seed=5).get(timeout=WITHIN)
    assert sum(noisy["counts"].values()) == 30
    assert noisy["counts"]["00 1"] >= 27
    others.get(timeout=WITHIN)
    assert bought()["jobs_accepted"] == 2


def test_what_waits_on_a_job_goes_on_when_it_is_done() -> None:
    done = chain(submit_circuit.si(bell(0.91), shots=10), submit_circuit.si(qasm3.dumps(bell(0.92)), shots=20))()
    assert sum(done.get(timeout=WITHIN)["counts"].values()) == 20
    assert sum(done.parent.get(timeout=WITHIN)["counts"].values()) == 10
    members = group(submit_circuit.s(bell(0.93 + index / 1000), shots=10) for index in range(3))
    assert len(members().get(timeout=WITHIN)) == 3
    body = submit_circuit.si(bell(0.97), shots=40)
    assert sum(chord(members, body)().get(timeout=WITHIN)["counts"].values()) == 40
    later = submit_circuit.apply_async((bell(0.98),), {"shots": 30}, countdown=0.2)
    assert later.state in {"QUEUED", "SUCCESS"}
    assert sum(later.get(timeout=WITHIN)["counts"].values()) == 30


def test_flower_shows_every_job_as_what_it_was(sandbox: Sandbox) -> None:
    circuit = bell(0.99, name="glocke")
    executed = submit_circuit.delay(circuit, shots=123)
    joined = submit_circuit.delay(circuit, shots=123)
    fingerprint = executed.get(timeout=WITHIN)["fingerprint"]
    cached = submit_circuit.delay(circuit, shots=123)
    assert sandbox.flower is not None
    address = sandbox.flower.url

    def task(job_id: str) -> Any:
        answer = httpx.get(f"{address}/api/task/info/{job_id}")
        return answer.json() if answer.status_code == 200 else {}

    for result in (executed, joined, cached):
        wait_until(lambda id_=result.id: task(id_).get("state") == "SUCCESS", what="Flower's SUCCESS")  # type: ignore[misc]
        seen = task(result.id)
        assert seen["name"] == "qstore.submit_circuit"
        assert seen["args"] == f"glocke · 2 qubits · 123 shots · {fingerprint[:4]}…"
        assert seen["worker"].startswith("worker")
        assert seen["received"]
        assert seen["started"]
    workers = httpx.get(f"{address}/api/workers", params={"refresh": "1"}, timeout=WITHIN).json()
    assert sorted(name.partition("@")[0] for name in workers) == ["worker1", "worker2"]


UNUSABLE = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c; if (c == 1) x q[0];'


def unbound() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("θ"), 0)
    circuit.measure(0, 0)
    return circuit


BAD: list[tuple[Any, dict[str, Any], type[Exception]]] = [
    ("qubit q; h q", {}, errors.InvalidOpenQASMError),
    ("OPENQASM 3.0; this is not it", {}, errors.InvalidOpenQASMError),
    (QuantumCircuit(2), {}, errors.NoMeasurementError),
    (QuantumCircuit(0, 1), {}, errors.NoQubitsError),
    (42, {}, errors.InvalidCircuitError),
    (QuantumCircuit.from_qasm_str(UNUSABLE), {}, errors.UnsupportedCircuitError),
    (unbound(), {}, errors.UnboundParametersError),
    (bell(), {"shots": 0}, errors.InvalidShotsError),
    (bell(), {"shots": -1}, errors.InvalidShotsError),
    (bell(), {"shots": 1.5}, errors.InvalidShotsError),
    (bell(), {"shots": 10**9}, errors.InvalidShotsError),
    (bell(), {"backend": "nowhere"}, errors.UnknownBackendError),
    (bell(), {"noise_model": "loud"}, errors.UnknownNoiseModelError),
    (bell(), {"shtos": 5}, errors.UnknownOptionError),
]


def wide() -> QuantumCircuit:
    circuit = QuantumCircuit(30)
    circuit.h(0)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize(("circuit", "options", "error"), [*BAD, (wide(), {}, errors.CircuitTooWideError)])
def test_bad_input_is_refused_at_the_door(
    bought: Bought, circuit: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        submit_circuit.delay(circuit, **options)
    assert bought()["requests"] == 0


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ([], {}, errors.InvalidJobError),
        ([None], {}, errors.InvalidCircuitError),
        ([{"__type__": "uuid"}], {}, errors.InvalidCircuitError),
        (["garbage"], {}, errors.InvalidOpenQASMError),
        (["garbage", 1, 2, 3], {}, errors.InvalidJobError),
        (["OPENQASM 2.0;"], {"shots": "many"}, errors.InvalidShotsError),
        (["OPENQASM 3.0; bit c;"], {"bogus": []}, errors.UnknownOptionError),
    ],
)
def test_garbage_sent_by_name_fails_with_the_same_error_and_harms_nobody(
    bought: Bought, args: list[Any], kwargs: dict[str, Any], error: type[Exception]
) -> None:
    result = submit_circuit.app.send_task("qstore.submit_circuit", args, kwargs)
    with pytest.raises(error):
        result.get(timeout=WITHIN)
    assert result.state == "FAILURE"
    assert bought()["jobs_accepted"] == 0
    alive = submit_circuit.delay(bell(math.pi), shots=1, reuse=False).get(timeout=WITHIN)
    assert sum(alive["counts"].values()) == 1


def test_one_bad_circuit_among_many_fails_alone_and_is_named(bought: Bought) -> None:
    good, bad, also_good = submit_circuits([bell(2.1), QuantumCircuit(2), bell(2.2)], shots=13).results
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 1: "):
        bad.get(timeout=WITHIN)
    assert [sum(each.get(timeout=WITHIN)["counts"].values()) for each in (good, also_good)] == [13, 13]
    assert bought()["circuits_accepted"] == 2


def test_a_wrong_option_for_many_circuits_queues_nothing(bought: Bought) -> None:
    with pytest.raises(errors.InvalidShotsError):
        submit_circuits([bell(2.1), bell(2.2)], shots=0)
    assert bought()["requests"] == 0


def test_a_circuit_that_does_not_compile_fails_alone_and_nothing_of_it_is_queued(
    bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qstore.circuits.compiler.MAX_WIRE_BYTES", 300)
    long = QuantumCircuit(2, 2)
    for turn in range(24):
        long.ry(turn + 0.1, 0)
        long.cx(0, 1)
        long.ry(turn + 0.2, 1)
        long.cz(0, 1)
    long.u(0.1, 0.2, 0.3, 0)
    long.measure([0, 1], [0, 1])
    with pytest.raises(errors.CircuitTooLargeError):
        submit_circuit.delay(long, shots=12)
    good, bad, also_good = submit_circuits([bell(2.3), long, bell(2.4)], shots=12).results
    with pytest.raises(errors.CircuitTooLargeError, match=r"^Circuit 1: "):
        bad.get(timeout=WITHIN)
    assert bad.state == "FAILURE"
    assert sum(good.get(timeout=WITHIN)["counts"].values()) == 12
    assert sum(also_good.get(timeout=WITHIN)["counts"].values()) == 12
    assert bought()["circuits_accepted"] == 2


@pytest.mark.usefixtures("at_once")
def test_ionq_is_asked_in_bulk_over_kept_connections(sandbox: Sandbox, bought: Bought) -> None:
    submit_circuits([bell(3 + index / 1000) for index in range(200)], shots=10).get(timeout=WITHIN)
    seen = bought()
    assert seen["jobs_accepted"] == 20
    # a batch is sent, described and read in three requests; looks are shared, far fewer than one a batch
    assert seen["requests"] <= 3 * 20 + 15
    assert sandbox.stats()["connections"] <= 2 * settings.ionq_pool_max_size + 5
