"""The stand-in as qiskit-ionq meets it, which is IonQ's own and unmodified."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from qiskit.quantum_info import Statevector
from qiskit_ionq import ErrorMitigation, GPI2Gate, GPIGate, IonQProvider, MSGate, Session, ZZGate
from qiskit_ionq.exceptions import IonQAPIError, IonQJobError, IonQJobFailureError, IonQJobStateError

from conditions import wait_until
from stand_in import KEY, StandIn, running

pytestmark = pytest.mark.filterwarnings("ignore::qiskit_ionq.exceptions.IonQTranspileLevelWarning")


@contextmanager
def provided(stand_in: StandIn, key: str = KEY) -> Iterator[IonQProvider]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("IONQ_API_URL", stand_in.url)  # where backends ask for their width
        warnings.simplefilter("ignore")  # there is no backend named plain `qpu`, here or at IonQ
        yield IonQProvider(key, stand_in.url)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with running("--api-key", KEY) as found:
        yield found


@pytest.fixture
def provider(stand_in: StandIn) -> Iterator[IonQProvider]:
    with provided(stand_in) as found:
        yield found


def ghz(width: int, flip: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width, name=f"ghz{width}")
    circuit.h(0)
    for qubit in range(1, width):
        circuit.cx(0, qubit)
    if flip:
        circuit.x(0)
    circuit.measure(range(width), range(width))
    return circuit


def basis(state: int, width: int = 4) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width, name=str(state))
    for qubit in range(width):
        if state >> qubit & 1:
            circuit.x(qubit)
        else:
            circuit.id(qubit)
    circuit.measure(range(width), range(width))
    return circuit


def test_it_runs_one_circuit(provider: IonQProvider) -> None:
    backend = provider.get_backend("ionq_simulator")
    assert backend.num_qubits == 29
    counts = backend.run(ghz(3, flip=True), shots=1000, sampler_seed=7).result(wait=0.02).get_counts()
    assert counts.keys() == {"001", "110"}
    assert sum(counts.values()) == 1000


def test_it_runs_circuits_of_different_widths_in_one_job(provider: IonQProvider, stand_in: StandIn) -> None:
    before = stand_in.stats()
    circuits = [ghz(2), ghz(4, flip=True), ghz(3)]
    counts = provider.get_backend("ionq_simulator").run(circuits, shots=1000).result(wait=0.02).get_counts()
    assert [each.keys() for each in counts] == [{"00", "11"}, {"0001", "1110"}, {"000", "111"}]
    after = stand_in.stats()
    assert after["jobs_accepted"] - before["jobs_accepted"] == 1
    assert after["circuits_accepted"] - before["circuits_accepted"] == 3


def test_it_runs_a_circuit_that_measures_on_the_way(provider: IonQProvider) -> None:
    circuit = QuantumCircuit(2, 3)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [1, 2])
    backend = provider.get_backend("ionq_simulator")
    counts = backend.run(circuit, shots=400, noise_model="aria-1").result(wait=0.02).get_counts()
    assert sum(counts.values()) == 400
    assert counts["001"] + counts["111"] > 370
    assert abs(counts["001"] - 200) < 60  # six standard deviations
    with pytest.raises(IonQJobError, match="ideal simulator"):
        backend.run(circuit, shots=400).result(wait=0.02)


def test_it_runs_on_hardware_with_its_noise(provider: IonQProvider) -> None:
    backend = provider.get_backend("ionq_qpu.forte-1")
    assert backend.num_qubits == 36
    assert backend.status() is True
    job = backend.run(ghz(2), shots=1000, memory=True)
    counts = job.result(wait=0.02).get_counts()
    assert sum(counts.values()) == 1000
    assert counts["00"] + counts["11"] > 950
    memory = job.result(wait=0.02).get_memory()
    assert {key: memory.count(key) for key in counts} == counts


def test_it_hears_of_a_failure(provider: IonQProvider) -> None:
    with pytest.raises(IonQJobFailureError, match="SimulationError"):
        provider.get_backend("ionq_simulator").run(ghz(23), shots=10).result(wait=0.02)


def test_it_is_told_what_a_job_would_cost(provider: IonQProvider) -> None:
    client = provider.get_backend("ionq_simulator").client
    asked: dict[str, Any] = {"oneq_gates": 1000, "twoq_gates": 100, "qubits": 3, "shots": 1000}
    assert client.estimate_job(backend="qpu.forte-1", **asked).cost == pytest.approx(200.0)
    assert client.estimate_job(backend="simulator", **asked).cost == 0


def test_it_gets_the_counts_of_every_circuit_in_order(provider: IonQProvider, stand_in: StandIn) -> None:
    states = [5, 0, 15, 1, 8, 3, 12, 2]
    job = provider.get_backend("ionq_simulator").run([basis(each) for each in states], shots=50)
    assert job.result(wait=0.02).get_counts() == [{f"{each:04b}": 50} for each in states]
    children = stand_in.job(job.job_id())["child_job_ids"]
    assert [stand_in.job(child)["name"] for child in children] == [str(each) for each in states]
    assert job.status(detailed=True)["completed"] == len(states)


def test_it_maps_qubits_to_the_bits_they_were_measured_into(provider: IonQProvider) -> None:
    circuit = QuantumCircuit(3, 2)
    circuit.x(2)
    circuit.h(1)
    circuit.measure(2, 0)
    circuit.measure(0, 1)
    job = provider.get_backend("ionq_simulator").run(circuit, shots=20)
    assert job.result(wait=0.02).get_counts() == {"01": 20}


def test_it_gets_noisy_counts_of_every_circuit_in_order(provider: IonQProvider) -> None:
    backend = provider.get_backend("ionq_simulator")
    backend.set_options(noise_model="forte-1")
    job = backend.run([basis(9), ghz(2), basis(6)], shots=2000, memory=True)
    result = job.result(wait=0.02)
    nine, bell, six = result.get_counts()
    assert [sum(each.values()) for each in (nine, bell, six)] == [2000] * 3
    assert max(nine, key=nine.__getitem__) == "1001"
    assert max(six, key=six.__getitem__) == "0110"
    assert bell["00"] + bell["11"] > 1900
    assert len(nine) > 1  # noise there is
    assert result.get_memory(2).count("0110") == six["0110"]


def native(family: str) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.append(GPI2Gate(0.3), [0])
    circuit.append(GPIGate(0.1), [1])
    if family == "ms":
        circuit.append(MSGate(0.05, 0.2, 0.15), [0, 1])
        circuit.append(MSGate(0.4, 0.1, 0.25), [2, 0])
    else:
        circuit.append(ZZGate(0.2), [0, 1])
        circuit.append(ZZGate(0.1), [2, 0])
    circuit.append(GPI2Gate(0.6), [2])
    circuit.append(GPI2Gate(0.15), [0])
    return circuit


@pytest.mark.parametrize("family", ["ms", "zz"])
def test_it_runs_native_gates(provider: IonQProvider, family: str) -> None:
    circuit = native(family)
    expected = Statevector(circuit).probabilities_dict()
    circuit.measure_all()
    backend = provider.get_backend("ionq_simulator", gateset="native")
    found = backend.run(circuit, shots=100_000).result(wait=0.02).get_probabilities()
    assert found == pytest.approx({state: value for state, value in expected.items() if value > 1e-9})


def test_it_runs_native_gates_on_hardware(provider: IonQProvider) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.append(GPIGate(0), [1])
    circuit.measure([0, 1], [0, 1])
    backend = provider.get_backend("ionq_qpu.forte-1", gateset="native")
    counts = backend.run(circuit, shots=1000).result(wait=0.02).get_counts()
    assert counts["10"] > 900


def test_it_finds_its_jobs_again(provider: IonQProvider) -> None:
    backend = provider.get_backend("ionq_simulator")
    first, second = (backend.run(basis(each), shots=30) for each in (7, 10))
    found = backend.retrieve_jobs([second.job_id(), first.job_id()])
    assert [each.result(wait=0.02).get_counts() for each in found] == [{"1010": 30}, {"0111": 30}]
    again = backend.retrieve_job(first.job_id())
    assert again.status() is JobStatus.DONE
    backend.client.delete_job(first.job_id())
    with pytest.raises(IonQAPIError) as refused:
        backend.retrieve_job(first.job_id())
    assert (refused.value.status_code, refused.value.error_type) == (404, "Not Found")


def test_it_sees_every_state_in_turn() -> None:
    with running("--latency", "2") as found, provided(found) as provider:
        job = provider.get_backend("ionq_qpu.forte-1").run(basis(3), shots=10)
        seen = [job.status()]

        def done() -> bool:
            seen.append(job.status())
            return seen[-1] is JobStatus.DONE

        wait_until(done, what="the end of the job")
        states = [state for state, _ in itertools.groupby(seen)]
        assert states[-3:] == [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.DONE]
        assert states[:-3] in ([JobStatus.INITIALIZING], [])  # which is over in a moment


def test_it_cancels() -> None:
    with running("--latency", "3600") as found, provided(found) as provider:
        backend = provider.get_backend("ionq_qpu.aria-1")
        one, two, three = (backend.run([basis(1), basis(2)], shots=10) for _ in range(3))
        one.cancel()
        backend.cancel_jobs([two.job_id()])
        assert [job.status() for job in (one, two, three)] == [
            JobStatus.CANCELLED,
            JobStatus.CANCELLED,
            JobStatus.INITIALIZING,
        ]
        with pytest.raises(IonQJobStateError, match="canceled"):
            one.result(wait=0.02)


def test_it_is_told_how_hardware_was_characterized(provider: IonQProvider) -> None:
    backend = provider.get_backend("ionq_qpu.aria-1")
    found = backend.calibration()
    assert found is not None
    assert found.median_spam_fidelity is not None
    assert (found.backend, found.qubits, found.status) == ("qpu.aria-1", 25, "available")
    assert set(found.connectivity) == set(itertools.combinations(range(25), 2))
    assert 0.9 < found.median_spam_fidelity < 1
    assert backend.client.get_calibration_data("qpu.aria-1", limit=5) == [found]
    assert backend.client.get_calibration_data("simulator") == []
    simulator = provider.get_backend("ionq_simulator")
    assert (simulator.calibration(), simulator.status()) == (None, True)


def test_it_debiases_only_with_shots_enough(provider: IonQProvider, stand_in: StandIn) -> None:
    backend = provider.get_backend("ionq_qpu.forte-1")
    job = backend.run(ghz(2), shots=500, error_mitigation=ErrorMitigation.DEBIASING)
    assert sum(job.result(wait=0.02, sharpen=True).get_counts().values()) == 500
    assert stand_in.job(job.job_id())["settings"] == {"error_mitigation": {"debiasing": True}}
    with pytest.raises(IonQAPIError, match="at least 500 shots"):
        backend.run(ghz(2), shots=499, error_mitigation=ErrorMitigation.DEBIASING)


def test_it_runs_dry(provider: IonQProvider) -> None:
    job = provider.get_backend("ionq_qpu.forte-1").run(ghz(2), shots=100, dry_run=True)
    with pytest.raises(IonQJobError, match="no measurement results"):
        job.result(wait=0.02)
    with pytest.raises(IonQJobError, match="Available formats: none"):
        job.compiled_circuit()


def test_it_runs_jobs_in_a_session(provider: IonQProvider, stand_in: StandIn) -> None:
    backend = provider.get_backend("ionq_qpu.forte-1")
    with Session(backend, max_jobs=2, max_time=10, max_cost=100) as session:
        assert session.details()["status"] == "created"
        job = backend.run(basis(1), shots=10)
        assert session.details()["status"] == "started"
        assert stand_in.job(job.job_id())["session_id"] == session.session_id
        session.run(basis(2), shots=10)
        with pytest.raises(IonQAPIError, match="takes 2 jobs"):
            session.run(basis(3), shots=10)
    details = Session.from_id(session.session_id, backend=backend).details()
    assert (details["status"], details["active"]) == ("ended", False)
    with pytest.raises(IonQAPIError, match="ended"):
        session.run(basis(4), shots=10)


def test_it_is_told_that_a_key_is_not_good(stand_in: StandIn) -> None:
    with provided(stand_in, "another") as provider:
        backend = provider.get_backend("ionq_simulator")
    with pytest.raises(IonQAPIError) as refused:
        backend.run(basis(1), shots=10)
    assert (refused.value.status_code, refused.value.error_type) == (403, "Forbidden")
