"""The stand-in held to IonQ's own OpenAPI description.

The description is IonQ's and no part of this project: the environment variable IONQ_OPENAPI says where it is,
and without it nothing here runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from stand_in import BELL, FLIP, KEY, StandIn, multi, program, running, single

DESCRIPTION = Path(os.environ.get("IONQ_OPENAPI", ""))
if not DESCRIPTION.is_file():
    pytest.skip("IONQ_OPENAPI does not name IonQ's OpenAPI description", allow_module_level=True)


def amended() -> dict[str, Any]:
    """The description, where it is silent or real clients contradict it changed; each change has its reason."""
    document: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    components = document["components"]
    # It words refusals under components.responses, but hardly any operation says which it gives.
    refusals = {"400": "BadRequest", "401": "Unauthorized", "403": "Error", "404": "NotFound", "413": "Error"}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, name in refusals.items():
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    # Where it says nothing of keys, its samples send one all the same.
    document["security"] = [{"apiKeyAuth": []}]
    # qiskit-ionq asks for the simulator's width too.
    components["parameters"]["backend"]["schema"]["enum"].append("simulator")
    # qiskit-ionq sends a null seed.
    components["schemas"]["Noise"]["properties"]["seed"]["nullable"] = True
    # qiskit-ionq looks the shots of an OpenQASM 3 program up under the name of their format.
    components["schemas"]["CircuitJobResult"]["additionalProperties"] = True
    # ionq-core reads an estimate under newer names, qiskit-ionq under those described.
    components["schemas"]["GetJobEstimateResponse"]["additionalProperties"] = True
    return document


CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {
            # Clients send query parameters there are not (qiskit-ionq: `session`), and the stand-in ignores them.
            "allow-extra-parameters": False,
            # The tests send a key of their own; that it matters is a check of schemathesis.
            "with-security-parameters": False,
        }
    }
)
DOCUMENT = amended()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
OPERATIONS: list[Operation] = [
    SCHEMA[path][method] for path, methods in DOCUMENT["paths"].items() for method in methods
]
ASKED = [(each, GenerationMode.POSITIVE) for each in OPERATIONS] + [
    (each, GenerationMode.NEGATIVE) for each in OPERATIONS if each.body or each.query
]


def excluded(operation: Operation) -> list[CheckFunction]:
    """The checks of schemathesis that say nothing here."""
    # A described request may still make no sense: gates need qubits, and neither functions nor QAOA are simulated.
    checks = [positive_data_acceptance]
    if "ids" in operation.query:
        # In a query, a number where a list of texts should be is a list of one text.
        checks.append(negative_data_rejection)
    return checks


# Nothing is debiased here, so no job has variants, and nothing is compiled.
NEVER = {
    "GET /jobs/{UUID}/circuits/{lang}",
    "GET /jobs/{UUID}/variants/{variantId}/results/probabilities",
    "GET /jobs/{UUID}/variants/{variantId}/results/histogram",
    "GET /jobs/{UUID}/variants/{variantId}/results/shots",
}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with running("--api-key", KEY) as found:
        yield found


@pytest.fixture
def known(stand_in: StandIn) -> dict[str, Any]:
    """Path parameters that name something, whatever operation they are for."""
    job = stand_in.submit(single(backend="qpu.forte-1"))
    stand_in.ended(job)
    session = stand_in.http.post("/sessions", json={"backend": "qpu.forte-1"}).json()
    return {"UUID": job, "session_id": session["id"], "organization_id": session["organization_id"]}


@pytest.mark.parametrize(("operation", "mode"), ASKED, ids=lambda each: getattr(each, "label", None) or each.value)
def test_whatever_is_asked_is_answered_as_described(
    stand_in: StandIn, known: dict[str, Any], operation: Operation, mode: GenerationMode
) -> None:
    named = {each.name: known[each.name] for each in operation.path_parameters if each.name in known}
    cases = operation.as_strategy(mode)
    if named and mode is GenerationMode.POSITIVE:
        cases |= operation.as_strategy(mode, path_parameters=named)

    @settings(
        max_examples=100 if operation.body else 30,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        headers = {"Authorization": f"apiKey {KEY}"}
        case.call_and_validate(stand_in.url, session=session, headers=headers, excluded_checks=excluded(operation))

    with requests.Session() as session:
        ask()


class Watch:
    """Holds every answer to the description, and remembers what succeeded."""

    def __init__(self) -> None:
        self.succeeded: set[str] = set()

    def __call__(self, answer: httpx.Response) -> None:
        answer.read()
        request = answer.request
        operation = SCHEMA.find_operation_by_path(request.method, request.url.path.removeprefix("/v0.4"))
        if operation is None:
            # Where a job says its other results are; the description does not.
            assert re.search("/results/(histogram|shots|probabilities/aggregated)$", request.url.path)
            return
        assert str(answer.status_code) in operation.responses.status_codes
        operation.validate_response(answer)
        if answer.is_success:
            self.succeeded.add(operation.label)


def jobs_of_every_kind() -> Iterator[tuple[dict[str, Any], str]]:
    """What to submit, and how it ends."""
    wide = [{"gate": "h", "target": qubit} for qubit in range(23)]
    native = [{"gate": "ms", "targets": [0, 1], "phases": [0, 0.25]}, {"gate": "gpi2", "target": 0, "phase": 0.75}]
    compiled = {"compilation": {"opt": 1, "precision": "1E-3"}, "error_mitigation": {"debiasing": True}}
    yield single(), "completed"
    yield single(name="named", metadata={"a": "b"}, shots=7, noise={"model": "ideal", "seed": 3}), "completed"
    yield single(noise={"model": "aria-1"}), "completed"
    yield single(backend="qpu.forte-1", shots=500, settings=compiled), "completed"
    yield single(backend="qpu.aria-1", dry_run=True), "completed"
    yield single(input={"gateset": "native", "qubits": 2, "circuit": native}), "completed"
    yield single(wide), "failed"
    yield multi(FLIP, BELL, wide, backend="qpu.forte-1"), "completed"
    yield multi(wide), "failed"
    yield program("qubit q; bit c; x q; c = measure q;", noise={"model": "forte-1"}), "completed"


def test_work_as_clients_do_it_is_answered_as_described(stand_in: StandIn) -> None:
    watch = Watch()
    http = stand_in.http
    http.event_hooks["response"].append(watch)
    try:
        backends = [each["backend"] for each in http.get("/backends").json()]
        for backend in backends:
            http.get(f"/backends/{backend}")
            for found in http.get(f"/backends/{backend}/characterizations").json()["characterizations"]:
                assert http.get(f"/backends/{backend}/characterizations/{found['id']}").json() == found
        session = http.post("/sessions", json={"backend": "qpu.forte-1", "settings": {"job_count_limit": 1}}).json()
        jobs = [(single(backend="qpu.forte-1", session_id=session["id"]), "completed"), *jobs_of_every_kind()]
        for body, end in jobs:
            job = stand_in.ended(stand_in.submit(body))
            assert job["status"] == end
            http.get(f"/jobs/{job['id']}/cost")
            for result in (job["results"] or {}).values():
                assert http.get(result["url"].removeprefix("/v0.4")).is_success
            for child in job["child_job_ids"] or ():
                http.get(f"/jobs/{child}")
                http.get(f"/jobs/{child}/results/probabilities")
        http.get(f"/jobs/{job['id']}/circuits/native")
        http.get(f"/jobs/{job['id']}/variants/{job['id']}/results/shots")
        http.get("/jobs")
        http.get("/jobs", params={"limit": 2})
        http.get(f"/sessions/{session['id']}/jobs")
        http.get("/sessions", params={"active": "true"})
        http.post(f"/sessions/{session['id']}/end")
        http.get(f"/sessions/{session['id']}")
        http.get("/jobs/estimate", params={"backend": "qpu.forte-1", "2q_gates": 5, "error_mitigation": "true"})
        asked = {"start_date": "2020-01-01", "end_date": "2999-01-01", "group_by": "job", "modality": "weekly"}
        assert http.get(f"/organizations/{session['organization_id']}/usage", params=asked).json()["usage_data"]
        http.get("/whoami")
        http.put(f"/jobs/{job['id']}/status/cancel")
        http.put("/jobs/status/cancel", json={"ids": [job["id"]]})
        http.delete(f"/jobs/{job['id']}")
        http.request("DELETE", "/jobs", json={"ids": [stand_in.submit(single())]})
    finally:
        http.event_hooks["response"].remove(watch)
    assert watch.succeeded == {each.label for each in OPERATIONS} - NEVER


@pytest.mark.parametrize(("status", "method", "path"), [(400, "POST", "/jobs"), (404, "GET", "/jobs/nobody")])
def test_a_refusal_is_worded_as_described(stand_in: StandIn, status: int, method: str, path: str) -> None:
    answer = stand_in.http.request(method, path)
    assert answer.status_code == status
    Watch()(answer)
