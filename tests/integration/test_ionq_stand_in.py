"""The IonQ stand-in as clients meet it: a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conditions import wait_until
from stand_in import BELL, FLIP, KEY, StandIn, multi, program, running, single


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def slow() -> Iterator[StandIn]:
    """Its jobs take longer than any test."""
    with running("--latency", "3600") as found:
        yield found


# -- submitting ---------------------------------------------------------------------------------------------


def test_a_job_is_described_completely(stand_in: StandIn) -> None:
    metadata = {"nonce": "n-1", "text": "ünïcode"}
    body = single(name="bell", metadata=metadata, shots=7, noise={"model": "ideal", "seed": None})
    created = stand_in.http.post("/jobs", json=body)
    assert created.status_code == 201
    job_id = created.json()["id"]
    assert created.json() == {"id": job_id, "status": "submitted", "session_id": None}
    job = stand_in.ended(job_id)
    assert job["status"] == "completed"
    assert job["metadata"] == metadata
    assert (job["name"], job["shots"], job["noise"]) == ("bell", 7, {"model": "ideal"})
    assert job["stats"] == {"qubits": 2, "circuits": 1, "gate_counts": {"1q": 1, "2q": 1}}
    assert job["results"]["probabilities"]["url"] == f"/v0.4/jobs/{job_id}/results/probabilities"
    assert job["failure"] is None
    assert job["child_job_ids"] is None
    required = (
        "id status type backend dry_run submitter_id project_id parent_job_id session_id metadata name "
        "submitted_at started_at completed_at predicted_wait_time_ms predicted_execution_duration_ms "
        "execution_duration_ms failure output settings stats results child_job_ids"
    )
    assert set(job) == {*required.split(), "shots", "noise"}


def test_what_was_not_asked_is_left_out_rather_than_null(stand_in: StandIn) -> None:
    job = stand_in.job(stand_in.submit(single()))
    assert "noise" not in job
    assert "cost_model" not in job


def test_states_of_probability_zero_are_left_out(stand_in: StandIn) -> None:
    found = stand_in.result(stand_in.submit(single()))
    assert found == {"0": pytest.approx(0.5), "3": pytest.approx(0.5)}


def test_children_come_in_the_order_of_the_circuits(stand_in: StandIn) -> None:
    wide = [{"gate": "x", "target": 5}]
    job_id = stand_in.submit(multi(FLIP, wide, BELL, metadata={"a": "b"}))
    job = stand_in.ended(job_id)
    children = [stand_in.job(child) for child in job["child_job_ids"]]
    assert [child["name"] for child in children] == ["circuit 0", "circuit 1", "circuit 2"]
    assert {child["parent_job_id"] for child in children} == {job_id}
    assert [child["stats"]["qubits"] for child in children] == [1, 6, 2]
    assert job["stats"] == {"qubits": 6, "circuits": 3, "gate_counts": {"1q": 3, "2q": 1}}
    found = stand_in.result(job_id)
    assert list(found) == job["child_job_ids"]
    assert list(found.values())[:2] == [{"1": 1.0}, {"32": 1.0}]
    assert stand_in.result(job["child_job_ids"][1]) == {"32": 1.0}


def test_a_child_may_have_a_gateset_and_a_width_of_its_own(stand_in: StandIn) -> None:
    body = multi(FLIP)
    native = {"gateset": "native", "qubits": 4, "circuit": [{"gate": "gpi", "target": 1, "phase": 0.2}]}
    body["input"]["circuits"].append(native)
    job_id = stand_in.submit(body)
    assert list(stand_in.result(job_id).values()) == [{"1": pytest.approx(1)}, {"2": pytest.approx(1)}]
    assert stand_in.job(stand_in.job(job_id)["child_job_ids"][1])["stats"]["qubits"] == 4


def test_a_program_answers_with_each_shots_registers(stand_in: StandIn) -> None:
    text = "qubit[2] q; bit[2] a; bit[1] b; x q[0]; a[0] = measure q[0]; reset q[0]; b[0] = measure q[0];"
    job_id = stand_in.submit(program(text, shots=3, noise={"model": "aria-1", "seed": 3}))
    shots = [{"registers": {"a": [1, 0], "b": [0]}}] * 3
    assert stand_in.result(job_id, "shots") == shots
    artifact = stand_in.job(job_id)["results"]["ionq.result.shots.json.v2"]["id"]
    assert stand_in.http.get(f"/jobs/{job_id}/artifacts/{artifact}").json() == {"shots": shots}
    assert stand_in.http.get(f"/jobs/{job_id}/artifacts/none").status_code == 404


def test_the_ideal_simulator_keeps_no_shots_of_a_program(stand_in: StandIn) -> None:
    job_id = stand_in.submit(program("qubit q; bit[2] c; x q; c[1] = measure q; reset q; c[0] = measure q;", shots=3))
    assert stand_in.result(job_id) == {"2": 1.0}
    assert stand_in.job(job_id)["results"].keys() == {"probabilities"}


@pytest.mark.parametrize("where", [{"backend": "qpu.aria-1"}, {"noise": {"model": "aria-1", "seed": 3}}])
def test_noisy_results_are_shots_counted(stand_in: StandIn, where: dict[str, Any]) -> None:
    job_id = stand_in.submit(single(shots=300, **where))
    histogram = stand_in.result(job_id, "histogram")
    shots = stand_in.result(job_id, "shots")
    assert sum(histogram.values()) == len(shots) == 300
    assert {state: shots.count(state) for state in histogram} == histogram
    expected = {state: count / 300 for state, count in histogram.items()}
    assert stand_in.result(job_id) == pytest.approx(expected)


def test_a_seed_fixes_the_noise_of_every_circuit_differently(stand_in: StandIn) -> None:
    body = multi(BELL, BELL, shots=100_000, noise={"model": "harmony", "seed": 11})
    first, second = (list(stand_in.result(stand_in.submit(body)).values()) for _ in range(2))
    assert first == second
    assert first[0] != first[1]


def test_a_dry_run_completes_without_results_and_costs_nothing(stand_in: StandIn) -> None:
    job_id = stand_in.submit(single(backend="qpu.forte-1", dry_run=True))
    job = stand_in.ended(job_id)
    assert (job["status"], job["results"], job["dry_run"]) == ("completed", None, True)
    cost = stand_in.http.get(f"/jobs/{job_id}/cost").json()
    assert cost["cost"] == {"value": 0.0, "unit": "usd"}
    assert cost["estimated_cost"]["value"] > 0


def test_what_an_estimate_says_a_job_costs(stand_in: StandIn) -> None:
    job_id = stand_in.submit(single(backend="qpu.forte-1", shots=20_000))
    stand_in.ended(job_id)
    question: dict[str, str | int] = {
        "backend": "qpu.forte-1",
        "shots": 20_000,
        "1q_gates": 1,
        "2q_gates": 1,
        "qubits": 2,
    }
    estimate = stand_in.http.get("/jobs/estimate", params=question).json()
    assert estimate["estimated_cost"] == estimate["estimated_total_cost"] == pytest.approx(22.0)
    cost = stand_in.http.get(f"/jobs/{job_id}/cost").json()
    assert cost["cost"]["value"] == pytest.approx(22.0)


def test_too_many_qubits_in_use_fail_the_job_that_uses_them(stand_in: StandIn) -> None:
    wide = [{"gate": "h", "target": qubit} for qubit in range(23)]
    job_id = stand_in.submit(multi(FLIP, wide))
    job = stand_in.ended(job_id)
    assert job["status"] == "completed"
    good, bad = (stand_in.job(child) for child in job["child_job_ids"])
    assert (good["status"], bad["status"], bad["results"]) == ("completed", "failed", None)
    assert bad["failure"]["code"] == "SimulationError"
    assert "23 qubits" in bad["failure"]["message"]
    assert stand_in.result(job_id) == {good["id"]: {"1": 1.0}}
    assert stand_in.http.get(f"/jobs/{bad['id']}/results/probabilities").status_code == 404


def test_many_gates_on_twenty_qubits_are_simulated_while_others_are_served(stand_in: StandIn) -> None:
    gates = [
        {"gate": "h", "target": place % 20}
        if place % 3
        else {"gate": "x", "target": place % 20, "control": (place + 7) % 20}
        for place in range(200)
    ]
    wide = stand_in.submit(single(gates))
    assert stand_in.result(stand_in.submit(single(FLIP))) == {"1": 1.0}
    assert sum(stand_in.result(wide).values()) == pytest.approx(1)


# -- refusing -----------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({"backend": "simulator", "input": {}}, "type"),
    "an unknown type": (single(type="ionq.circuit.v0"), "ionq.circuit.v0"),
    "an unknown field": (single(shot=10), "shot"),
    "an unknown backend": (single(backend="qpu.harmony"), "qpu.harmony"),
    "no shots": (single(shots=0), "shots"),
    "too many shots": (single(shots=1_000_001), "shots"),
    "shots that are no number": (single(shots="100"), "shots"),
    "an unknown noise model": (single(noise={"model": "loud"}), "noise"),
    "noise on hardware": (single(backend="qpu.aria-1", noise={"model": "aria-1"}), "noise"),
    "an unknown gate": (single([{"gate": "u3", "target": 0}]), "gate 0: gate 'u3'"),
    "a qubit out of range": (
        single(input={"gateset": "qis", "qubits": 1, "circuit": BELL}),
        "gate 1: qubit 1 is out of range",
    ),
    "a qubit twice": (single([{"gate": "swap", "targets": [1, 1]}]), "twice"),
    "too wide": (single(input={"gateset": "qis", "qubits": 30, "circuit": BELL}), "30 qubits"),
    "too wide by its gates": (single([{"gate": "h", "target": 29}]), "30 qubits"),
    "too wide for hardware": (single([{"gate": "h", "target": 25}], backend="qpu.aria-1"), "26 qubits"),
    "no qubits": (single(input={"gateset": "qis", "qubits": 0, "circuit": []}), "qubits"),
    "an unknown gateset": (single(input={"gateset": "pulse", "circuit": []}), "gateset"),
    "a bad gate in one of many": (multi(FLIP, [{"gate": "?"}]), "circuit 1, gate 0"),
    "no circuits": (multi(), "circuits"),
    "too many circuits": (multi(*[FLIP] * 5001), "circuits"),
    "too many gates": (single(FLIP * 150_001), "150001 gates"),
    "too much metadata": (single(metadata={str(each): "" for each in range(11)}), "metadata"),
    "a long metadata name": (single(metadata={"n" * 41: ""}), "metadata"),
    "a long metadata value": (single(metadata={"n": "v" * 40_001}), "metadata"),
    "metadata that is no text": (single(metadata={"n": 1}), "metadata"),
    "a null name": (single(name=None), "name is null"),
    "a null width": (single(input={"gateset": "qis", "qubits": None, "circuit": BELL}), "input: Value error, qubits"),
    "a seed of 64 bits": (single(noise={"model": "ideal", "seed": 2**31}), "noise.seed"),
    "an unknown setting": (single(settings={"compilation": {"level": 1}}), "settings.compilation.level"),
    "a setting without end": (single(settings={"compilation": {"opt": math.inf}}), "finite"),
    "a register that is no list": (
        {**multi(FLIP), "input": {"gateset": "qis", "circuits": [{"circuit": FLIP, "registers": {"c": 0}}]}},
        "registers.c",
    ),
    "a session nobody opened": (single(session_id="nobody"), "no such session"),
    "debiasing with few shots": (
        single(backend="qpu.forte-1", shots=499, settings={"error_mitigation": {"debiasing": True}}),
        "500",
    ),
    "control flow": (program("qubit q; bit c; c = measure q; if (c) { x q; }"), "if_else"),
    "no OpenQASM": (program("nonsense"), "OpenQASM"),
    "a program wider than it says": (
        {"type": "ionq.qasm3.v1", "backend": "simulator", "input": {"qubits": 1, "data": "qubit[2] q;"}},
        "2 qubits",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_job_that_cannot_run_is_refused_with_the_reason(stand_in: StandIn, case: str) -> None:
    body, reason = REFUSED[case]
    before = stand_in.stats()["jobs_accepted"]
    answer = stand_in.http.post("/jobs", content=json.dumps(body))
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["statusCode"]) == ("Bad Request", 400)
    assert reason in answer.json()["message"]
    assert stand_in.stats()["jobs_accepted"] == before


DEBIASING = {"debiasing": True}
USAGE = "/organizations/5a4d0000-0000-4000-8000-000000000002/usage?start_date=2026-01-01&end_date=2026-02-01"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(stand_in: StandIn, body: bytes) -> None:
    for method, path in (("POST", "/jobs"), ("PUT", "/jobs/status/cancel"), ("DELETE", "/jobs"), ("POST", "/sessions")):
        assert stand_in.http.request(method, path, content=body).status_code == 400


def test_a_body_over_eight_megabytes_is_too_large(stand_in: StandIn) -> None:
    answer = stand_in.http.post("/jobs", content=b" " * 8_000_001)
    assert (answer.status_code, answer.json()["statusCode"]) == (413, 413)


@pytest.mark.parametrize(
    "asked",
    [
        *("/jobs?limit=0", "/jobs?limit=many", "/jobs?limit=2147483648", "/jobs?status=done", "/jobs?next=!"),
        *("/jobs/estimate?backend=x", "/jobs/estimate?backend=simulator&error_mitigation=maybe"),
        *("/backends/qpu.aria-1/characterizations?limit=11", "/backends/qpu.aria-1/characterizations?start=once"),
        "/sessions?active=perhaps",
        f"{USAGE}&group_by=job&modality=hourly",
        f"{USAGE}&group_by=planet&modality=daily",
        f"{USAGE.replace('02-01', '02-30')}&group_by=job&modality=daily",
        f"{USAGE.replace('02-01', '01-01')}&group_by=job&modality=daily",
        "/organizations/5a4d0000-0000-4000-8000-000000000002/usage",
    ],
)
def test_a_question_that_makes_no_sense_is_refused(stand_in: StandIn, asked: str) -> None:
    assert stand_in.http.get(asked).status_code == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_job_nobody_knows_is_not_found(stand_in: StandIn, method: str) -> None:
    answer = stand_in.http.request(method, "/jobs/00000000-0000-0000-0000-000000000000")
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path",
    [
        *("circuits/native", "circuits/qasm3", "artifacts/none", "variants/none/results/probabilities"),
        *("variants/none/results/histogram", "variants/none/results/shots"),
    ],
)
def test_what_a_job_does_not_have_is_not_found(stand_in: StandIn, path: str) -> None:
    job_id = stand_in.submit(single(backend="qpu.forte-1", shots=500, settings={"error_mitigation": DEBIASING}))
    stand_in.ended(job_id)
    answer = stand_in.http.get(f"/jobs/{job_id}/{path}")
    assert (answer.status_code, job_id in answer.json()["message"]) == (404, True)


@pytest.mark.parametrize(
    "path",
    [
        *("/sessions/nobody", "/sessions/nobody/jobs", "/backends/qpu.none/characterizations"),
        "/backends/simulator/characterizations/00000000-0000-0000-0000-000000000000",
        USAGE.replace("0002", "0003") + "&group_by=job&modality=daily",
    ],
)
def test_what_nobody_knows_is_not_found(stand_in: StandIn, path: str) -> None:
    assert stand_in.http.get(path).json()["statusCode"] == 404


def test_an_address_nobody_knows_is_not_found(stand_in: StandIn) -> None:
    assert stand_in.http.get("/nowhere").json()["statusCode"] == 404
    assert stand_in.http.put("/jobs").json()["statusCode"] == 405


# -- keys and backends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "apiKey", "Bearer token", "token"])
def test_without_a_well_formed_key_nobody_gets_in(stand_in: StandIn, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{stand_in.url}/jobs", headers=headers)
    assert (answer.status_code, answer.json()["statusCode"]) == (401, 401)


def test_a_key_that_is_not_good_is_forbidden() -> None:
    with running("--api-key", "good", "--api-key", KEY) as found:
        assert found.http.get("/whoami").status_code == 200
        answer = httpx.get(f"{found.url}/jobs", headers={"Authorization": "apiKey bad"})
        assert (answer.status_code, answer.json()["statusCode"]) == (403, 403)


def test_a_key_is_never_told(stand_in: StandIn) -> None:
    answer = stand_in.http.get("/whoami")
    assert answer.json().keys() == {"key_id", "key_name", "project_id"}
    assert KEY not in answer.text


def test_backends_are_told_to_anyone(stand_in: StandIn) -> None:
    backends = httpx.get(f"{stand_in.url}/backends").json()
    assert {each["backend"]: each["qubits"] for each in backends} == {
        "simulator": 29,
        "qpu.aria-1": 25,
        "qpu.aria-2": 25,
        "qpu.forte-1": 36,
        "qpu.forte-enterprise-1": 36,
        "qpu.forte-enterprise-2": 36,
        "qpu.forte-enterprise-3": 36,
    }
    assert all({"status", "average_queue_time", "last_updated"} <= each.keys() for each in backends)
    assert httpx.get(f"{stand_in.url}/backends/qpu.aria-2").json()["qubits"] == 25
    assert httpx.get(f"{stand_in.url}/backends/qpu.none").status_code == 404
    for name, count in (("simulator", 0), ("qpu.aria-1", 1)):
        found = httpx.get(f"{stand_in.url}/backends/{name}/characterizations").json()
        assert len(found["characterizations"]) == count


def test_a_machine_is_characterized_anew_when_the_sandbox_says_so() -> None:
    with running() as stand_in:

        def current() -> dict[str, str]:
            backends = httpx.get(f"{stand_in.url}/backends").json()
            return {each["backend"]: each.get("characterization_id") for each in backends}

        def listed(**query: int) -> Any:
            return httpx.get(f"{stand_in.url}/backends/qpu.aria-1/characterizations", params=query).json()

        before = current()
        made = stand_in.sandbox.post("/characterizations", content="qpu.aria-1")
        assert (made.status_code, made.json()) == (201, {"qpu.aria-1": current()["qpu.aria-1"]})
        assert {name for name, found in current().items() if found != before[name]} == {"qpu.aria-1"}
        newest, oldest = listed()["characterizations"]
        assert (newest["id"], oldest["id"]) == (current()["qpu.aria-1"], before["qpu.aria-1"])
        assert newest["date"] >= oldest["date"]
        assert [listed(limit=1, page=page)["pages"] for page in (1, 2, 3)] == [1, 0, 0]
        assert listed(limit=1, page=2)["characterizations"] == [oldest]
        address = f"/backends/qpu.aria-1/characterizations/{oldest['id']}"
        assert stand_in.http.get(address).json() == oldest

        everywhere = stand_in.sandbox.post("/characterizations").json()
        assert everywhere == {name: found for name, found in current().items() if name != "simulator"}
        assert everywhere["qpu.aria-1"] not in {newest["id"], oldest["id"]}
        assert stand_in.sandbox.post("/characterizations", content="simulator").status_code == 400


# -- states, cancel, delete ---------------------------------------------------------------------------------


def test_a_job_takes_its_time() -> None:
    with running("--latency", "1") as found:
        submitted = time.monotonic()
        created = found.http.post("/jobs", json=single()).json()
        seen = [created["status"]]

        def completed() -> bool:
            job = found.job(created["id"])
            seen.append(job["status"])
            if seen[-1] == "completed":
                return True
            assert (job["results"], job["completed_at"], job["execution_duration_ms"]) == (None,) * 3
            return False

        wait_until(completed, what="the end of the job")
        assert time.monotonic() - submitted > 0.9
        assert list(dict.fromkeys(seen)) == ["submitted", "ready", "started", "completed"]
        job = found.job(created["id"])
        assert (job["predicted_wait_time_ms"], job["predicted_execution_duration_ms"]) == (500, 500)
        assert job["execution_duration_ms"] == 500
        assert job["submitted_at"] < job["started_at"] < job["completed_at"]


def test_before_the_end_there_are_no_results(slow: StandIn) -> None:
    job_id = slow.submit(multi(FLIP))
    for path in ("probabilities", "probabilities/aggregated", "shots"):
        answer = slow.http.get(f"/jobs/{job_id}/results/{path}")
        assert answer.status_code == 404
        assert "submitted" in answer.json()["message"]


def test_a_canceled_job_stays_canceled_and_so_do_its_children(slow: StandIn) -> None:
    job_id = slow.submit(multi(FLIP, BELL, backend="qpu.forte-1"))
    answer = slow.http.put(f"/jobs/{job_id}/status/cancel")
    assert answer.json() == {"id": job_id, "status": "canceled"}
    job = slow.job(job_id)
    assert [job["status"], *(slow.job(child)["status"] for child in job["child_job_ids"])] == ["canceled"] * 3
    assert slow.http.get(f"/jobs/{job_id}/cost").json()["cost"]["value"] == 0


def test_canceling_a_completed_job_changes_nothing(stand_in: StandIn) -> None:
    job_id = stand_in.submit(single())
    stand_in.ended(job_id)
    assert stand_in.http.put(f"/jobs/{job_id}/status/cancel").status_code == 200
    assert stand_in.job(job_id)["status"] == "completed"


def test_jobs_are_canceled_and_deleted_in_bulk(slow: StandIn) -> None:
    ids = [slow.submit(single()) for _ in range(3)]
    answer = slow.http.put("/jobs/status/cancel", json={"ids": [*ids[:2], "nobody"]})
    assert answer.json() == {"ids": ids[:2], "status": "canceled"}
    assert [slow.job(each)["status"] for each in ids] == ["canceled", "canceled", "submitted"]
    answer = slow.http.request("DELETE", "/jobs", json={"ids": ids[1:]})
    assert answer.json() == {"ids": ids[1:], "status": "deleted"}
    found = [slow.http.get(f"/jobs/{each}").status_code for each in ids]
    assert found == [200, 404, 404]
    assert slow.http.put("/jobs/status/cancel", json={"ids": "x"}).status_code == 400


def test_a_deleted_job_takes_its_children_along(stand_in: StandIn) -> None:
    job_id = stand_in.submit(multi(FLIP, BELL))
    children = stand_in.job(job_id)["child_job_ids"]
    assert stand_in.http.delete(f"/jobs/{job_id}").json() == {"id": job_id, "status": "deleted"}
    found = [stand_in.http.get(f"/jobs/{each}").status_code for each in (job_id, *children)]
    assert found == [404] * 3


# -- lists --------------------------------------------------------------------------------------------------


def test_many_jobs_are_asked_for_at_once_most_recent_first(stand_in: StandIn) -> None:
    ids = [stand_in.submit(single(name=str(each))) for each in range(4)]
    answer = stand_in.http.get("/jobs", params={"ids": [ids[0], ids[2], ids[3], "nobody"]}).json()
    assert [job["name"] for job in answer["jobs"]] == ["3", "2", "0"]
    assert answer["next"] is None
    assert "child_job_ids" not in answer["jobs"][0]


def test_a_page_has_25_jobs_and_the_next_one_the_rest(stand_in: StandIn) -> None:
    ids = [stand_in.submit(single(FLIP)) for _ in range(27)]
    first = stand_in.http.get("/jobs", params={"ids": ids, "limit": 100}).json()
    second = stand_in.http.get("/jobs", params={"ids": ids, "next": first["next"]}).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert (len(first["jobs"]), second["next"]) == (25, None)
    short = stand_in.http.get("/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in short["jobs"]] == ids[:-3:-1]
    assert isinstance(short["next"], str)


def test_lists_are_filtered() -> None:
    with running("--page-size", "3") as found:
        plain = found.submit(single())
        session = found.http.post("/sessions", json={"backend": "simulator"}).json()["id"]
        parent = found.submit(multi(FLIP, BELL, session_id=session))
        hardware = found.submit(single(backend="qpu.aria-1"))
        for job_id in (plain, parent, hardware):
            found.ended(job_id)
        children = found.job(parent)["child_job_ids"]

        def listed(**asked: str) -> list[str]:
            return [job["id"] for job in found.http.get("/jobs", params=asked).json()["jobs"]]

        assert listed() == [hardware, parent, plain]
        assert listed(parent_job_id=parent) == children[::-1]
        assert listed(target="simulator") == [parent, plain]
        assert listed(target="simulator,qpu.aria-1") == [hardware, parent, plain]
        assert listed(session_id=session) == [parent]
        assert listed(status="completed") == [hardware, parent, plain]
        assert listed(status="failed") == []


# -- the process --------------------------------------------------------------------------------------------


def test_it_counts_what_it_was_sent() -> None:
    with running() as found:
        job_id = found.submit(multi(FLIP, BELL, FLIP))
        found.submit(single())
        found.http.post("/jobs", json=single(shots=0))
        found.http.get("/jobs")
        wait_until(lambda: found.http.get("/jobs", params={"ids": job_id, "status": "completed"}).json()["jobs"])
        found.http.get(f"/jobs/{job_id}/results/probabilities/aggregated")
        httpx.get(f"{found.url}/jobs")
        found.http.get("/nowhere")
        stats = found.stats()
        assert stats == found.stats()  # asking changes nothing
        looks = stats["by_endpoint"]["GET /jobs"].pop("200")
        assert stats.pop("requests") == looks + 6
        assert stats == {
            "connections": 2,
            "jobs_accepted": 2,
            "circuits_accepted": 4,
            "circuits_distinct": 2,
            "circuits_duplicate": 2,
            "circuits_paid": 4,
            "jobs_canceled": 0,
            "jobs_failed": 0,
            "by_endpoint": {
                "POST /jobs": {"201": 2, "400": 1},
                "GET /jobs": {"401": 1},
                "GET /jobs/{id}/results/probabilities/aggregated": {"200": 1},
                "GET (unknown)": {"404": 1},
            },
        }


def test_a_kept_connection_serves_many_requests_without_a_stall(stand_in: StandIn) -> None:
    before = stand_in.stats()["connections"]
    with httpx.Client(base_url=stand_in.url, headers={"Authorization": f"apiKey {KEY}"}) as http:
        took = []
        for _ in range(50):
            begun = time.perf_counter()
            assert http.post("/jobs", json=single()).status_code == 201
            took.append(time.perf_counter() - begun)
    assert stand_in.stats()["connections"] - before == 1
    assert sorted(took[20:])[5] < 0.03  # after a delayed acknowledgment each takes 0.04 s; a busy machine delays some


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_promptly_with_connections_open_and_a_simulation_running(
    number: signal.Signals,
) -> None:
    with running() as found:
        gates = [{"gate": "ry", "target": place % 22, "rotation": 0.1} for place in range(2000)]
        found.submit(single(gates))
        begun = time.monotonic()
        found.process.send_signal(number)
        assert found.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert found.process.stdout is not None
        assert found.process.stdout.read() == ""  # the ready line was all it had to say


def test_it_listens_on_this_machine_only_unless_told_otherwise(stand_in: StandIn) -> None:
    assert stand_in.url.startswith("http://127.0.0.1:")
