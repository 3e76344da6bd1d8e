"""The stand-in as ionq-core meets it, which is IonQ's own and unmodified."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import warnings
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from ionq_core import (
    BadRequestError,
    IonQClient,
    JobFailedError,
    NotFoundError,
    PermissionDeniedError,
    SessionManager,
    aiter_jobs,
    aiter_session_jobs,
    async_wait_for_job,
    iter_jobs,
    iter_session_jobs,
    wait_for_job,
)
from ionq_core.api.backends import get_backend, get_backends
from ionq_core.api.characterizations import get_characterization, get_characterizations_for_backend
from ionq_core.api.default import (
    cancel_job,
    cancel_jobs,
    create_job,
    delete_job,
    delete_jobs,
    estimate_job_cost,
    get_job,
    get_job_artifact,
    get_job_cost,
    get_job_probabilities,
    get_jobs,
    get_session,
    get_sessions,
)
from ionq_core.api.usage import get_usages
from ionq_core.api.whoami import get_whoami
from ionq_core.client import AuthenticatedClient
from ionq_core.models.circuit_job_creation_payload import CircuitJobCreationPayload
from ionq_core.models.get_results_response import GetResultsResponse
from ionq_core.models.jobs_bulk_operation_request import JobsBulkOperationRequest
from ionq_core.models.json_multi_circuit_job import JSONMultiCircuitJob
from ionq_core.models.multi_circuit_job import MultiCircuitJob
from ionq_core.models.single_circuit_job import SingleCircuitJob
from ionq_core.models.usages import Usages

from stand_in import BELL, FLIP, KEY, StandIn, multi, running

WIDE = [{"gate": "h", "target": qubit} for qubit in range(23)]


def connected(stand_in: StandIn, key: str = KEY) -> AuthenticatedClient:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no TLS on loopback
        return IonQClient(api_key=key, base_url=stand_in.url, max_retries=0)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with running("--api-key", KEY, "--page-size", "3") as found:
        yield found


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[AuthenticatedClient]:
    with connected(stand_in) as found:
        yield found


@pytest.fixture(scope="module")
def slow() -> Iterator[StandIn]:
    """Its jobs take longer than any test."""
    with running("--latency", "3600") as found:
        yield found


def there(answer: object) -> Any:
    """The parsed answer, which the client gives as None where it did not understand it."""
    assert answer is not None
    return answer


def payload(circuit: list[dict[str, Any]], **fields: Any) -> CircuitJobCreationPayload:
    given = {"gateset": "qis", "qubits": 2, "circuit": circuit, **fields.pop("input", {})}
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "input": given, **fields}
    return CircuitJobCreationPayload.from_dict(body)


def submitted(client: AuthenticatedClient, body: CircuitJobCreationPayload | JSONMultiCircuitJob) -> str:
    created = there(create_job.sync(client=client, body=body))
    assert created.status == "submitted"
    return str(created.id)


def ended(client: AuthenticatedClient, job_id: str) -> Any:
    return wait_for_job(client, job_id, poll_interval=0.02, timeout=30)


def probabilities(client: AuthenticatedClient, job_id: str) -> dict[str, float]:
    found = get_job_probabilities.sync(job_id, client=client, sharpen=False)
    assert isinstance(found, GetResultsResponse)
    return found.additional_properties


def test_it_submits_waits_and_reads_the_result(client: AuthenticatedClient) -> None:
    job_id = submitted(client, payload(BELL, name="bell", metadata={"nonce": "n-1"}, noise={"model": "ideal"}))
    job = ended(client, job_id)
    assert (type(job), job.status, job.name) == (SingleCircuitJob, "completed", "bell")
    assert (job.metadata.to_dict(), job.child_job_ids) == ({"nonce": "n-1"}, None)
    assert (job.stats.qubits, job.stats.gate_counts.to_dict()) == (2, {"1q": 1, "2q": 1})
    assert probabilities(client, job_id) == {"0": pytest.approx(0.5), "3": pytest.approx(0.5)}


def test_it_reads_results_of_every_kind_as_artifacts(client: AuthenticatedClient) -> None:
    job = ended(client, submitted(client, payload(BELL, backend="qpu.forte-1", shots=200)))
    results = job.results.to_dict()

    def artifact(kind: str) -> Any:
        assert results[kind]["format"] == f"ionq.result.{kind}.json.v1"
        found = get_job_artifact.sync_detailed(job.id, results[kind]["id"], client=client)
        assert found.headers["content-type"] == results[kind]["media_type"]
        return json.loads(found.content)

    counts = artifact("histogram")
    assert sum(counts.values()) == 200
    shots = artifact("shots")
    assert {state: shots.count(state) for state in counts} == counts
    assert artifact("probabilities") == pytest.approx({state: count / 200 for state, count in counts.items()})


def test_it_reads_the_children_of_a_job(client: AuthenticatedClient, stand_in: StandIn) -> None:
    flips = [[{"gate": "x", "target": each}] for each in range(5)]
    job = ended(client, submitted(client, JSONMultiCircuitJob.from_dict(multi(*flips))))
    assert isinstance(job, MultiCircuitJob)
    children = job.child_job_ids
    assert children is not None
    assert [probabilities(client, child) for child in children] == [{str(2**each): 1.0} for each in range(5)]
    child = get_job.sync(children[1], client=client)
    assert isinstance(child, SingleCircuitJob)
    assert (child.parent_job_id, child.name) == (job.id, "circuit 1")
    page = there(get_jobs.sync(client=client, parent_job_id=job.id))
    assert [each.id for each in page.jobs] == children[:-4:-1]
    assert isinstance(page.next_, str)
    rest = there(get_jobs.sync(client=client, parent_job_id=job.id, next_=page.next_))
    assert ([each.id for each in rest.jobs], rest.next_) == (children[1::-1], None)
    assert stand_in.result(job.id) == {child: {str(2**each): 1.0} for each, child in enumerate(children)}


def test_it_pages_through_all_jobs() -> None:
    with running("--page-size", "3") as found, connected(found) as client:
        ids = [submitted(client, payload(FLIP, name=str(each))) for each in range(8)]
        assert [job.id for job in iter_jobs(client)] == ids[::-1]
        assert [job.id for job in iter_jobs(client, limit=2, target="simulator")] == ids[::-1]
        assert list(iter_jobs(client, status="failed")) == []
        few = there(get_jobs.sync(client=client, ids=ids[2:4]))
        assert [job.name for job in few.jobs] == ["3", "2"]

        async def paged() -> list[str]:
            async with connected(found) as other:
                return [job.id async for job in aiter_jobs(other, limit=3)]

        assert asyncio.run(paged()) == ids[::-1]


def test_it_does_all_that_without_blocking(stand_in: StandIn) -> None:
    async def work() -> list[dict[str, float]]:
        async with connected(stand_in) as client:

            async def one(circuit: list[dict[str, Any]]) -> dict[str, float]:
                created = there(await create_job.asyncio(client=client, body=payload(circuit)))
                job = await async_wait_for_job(client, created.id, poll_interval=0.02, timeout=30)
                found = await get_job_probabilities.asyncio(job.id, client=client)
                assert isinstance(found, GetResultsResponse)
                return found.additional_properties

            return list(await asyncio.gather(one(FLIP), one(BELL)))

    assert asyncio.run(work()) == [{"1": 1.0}, {"0": pytest.approx(0.5), "3": pytest.approx(0.5)}]


def test_it_hears_of_a_failure(client: AuthenticatedClient) -> None:
    job_id = submitted(client, payload(WIDE, input={"qubits": 23}))
    with pytest.raises(JobFailedError) as failed:
        ended(client, job_id)
    failure: Any = failed.value.failure
    assert failure.code == "SimulationError"
    assert "23 qubits" in failure.message


def test_it_hears_why_it_is_refused(client: AuthenticatedClient, stand_in: StandIn) -> None:
    with pytest.raises(BadRequestError, match="qubit 2 is out of range"):
        create_job.sync(client=client, body=payload([{"gate": "x", "target": 2}]))
    with pytest.raises(NotFoundError, match="no such job"):
        get_job.sync("nobody", client=client)
    with connected(stand_in, "another") as stranger, pytest.raises(PermissionDeniedError):
        get_whoami.sync(client=stranger)


def test_it_cancels_and_deletes(slow: StandIn) -> None:
    with connected(slow) as client:
        ids = [submitted(client, payload(FLIP)) for _ in range(4)]
        canceled = there(cancel_job.sync(ids[0], client=client))
        assert (canceled.id, canceled.status) == (ids[0], "canceled")
        some = there(cancel_jobs.sync(client=client, body=JobsBulkOperationRequest(ids[1:3])))
        assert (some.ids, some.status) == (ids[1:3], "canceled")
        assert [slow.job(each)["status"] for each in ids] == ["canceled"] * 3 + ["submitted"]
        deleted = there(delete_job.sync(ids[0], client=client))
        assert (deleted.id, deleted.status) == (ids[0], "deleted")
        others = there(delete_jobs.sync(client=client, body=JobsBulkOperationRequest(ids[1:])))
        assert (others.ids, others.status) == (ids[1:], "deleted")
        assert [slow.http.get(f"/jobs/{each}").status_code for each in ids] == [404] * 4


def test_it_knows_the_backends_and_how_they_were_characterized(client: AuthenticatedClient) -> None:
    backends = there(get_backends.sync(client=client))
    assert {"simulator", "qpu.forte-1"} <= {each.backend for each in backends}
    forte = there(get_backend.sync("qpu.forte-1", client=client))
    assert (forte.qubits, forte.status) == (36, "available")
    listed = there(get_characterizations_for_backend.sync("qpu.forte-1", client=client, limit=1))
    (found,) = listed.characterizations
    assert str(found.id) == forte.characterization_id
    assert get_characterization.sync("qpu.forte-1", UUID(str(found.id)), client=client) == found
    past = there(get_characterizations_for_backend.sync("qpu.forte-1", client=client, end="2020-01-01"))
    second = there(get_characterizations_for_backend.sync("qpu.forte-1", client=client, page=2))
    assert past.characterizations == second.characterizations == []
    with pytest.raises(NotFoundError):
        get_characterization.sync("qpu.forte-1", UUID(int=0), client=client)


def test_what_it_estimates_is_what_it_pays_and_what_is_used() -> None:
    with running() as found, connected(found) as client:
        estimated = there(
            estimate_job_cost.sync(
                client=client, backend="qpu.forte-1", qubits=2, shots=20_000, field_1q_gates=1, field_2q_gates=1
            )
        )
        (rate,) = estimated.rate_card.rates
        cost = estimated.estimated_total_cost
        assert cost == pytest.approx(20_000 * (rate.cost_1q_gate + rate.cost_2q_gate))
        assert (estimated.estimate_context.shots, estimated.estimate_context.backend) == (20_000, "qpu.forte-1")
        job = ended(client, submitted(client, payload(BELL, backend="qpu.forte-1", shots=20_000)))
        ended(client, submitted(client, payload(BELL, shots=20_000)))  # which is free
        ended(client, submitted(client, payload(BELL, backend="qpu.forte-1", dry_run=True)))  # as is this
        paid = there(get_job_cost.sync(job.id, client=client))
        assert paid.cost.value == paid.estimated_cost.value == pytest.approx(cost)
        sessions = there(get_sessions.sync(client=client))
        usages = there(
            get_usages.sync(
                sessions.organization_id,
                client=client,
                start_date=dt.date.fromisoformat(job.completed_at[:10]),
                end_date=dt.date(2999, 1, 1),
                group_by="job",
                modality="monthly",
            )
        )
        assert (type(usages), usages.job_count, usages.amount_total) == (Usages, 1, pytest.approx(cost))
        (month,) = usages.usage_data
        assert month.from_.date().isoformat() == f"{job.completed_at[:7]}-01"
        (used,) = month.group_usages
        assert (used.group_id, used.job_count, used.amount) == (job.id, 1, pytest.approx(cost))
        assert used.time_us == month.time_us == usages.time_us_total > 0


def test_it_knows_whose_key_it_has(client: AuthenticatedClient, stand_in: StandIn) -> None:
    found = there(get_whoami.sync(client=client))
    job = stand_in.job(stand_in.submit(multi(FLIP)))
    assert str(found.project_id) == job["project_id"]


def test_it_runs_jobs_in_a_session(client: AuthenticatedClient) -> None:
    with SessionManager(client, "qpu.forte-1", max_jobs=4, max_time=5, max_cost=1000) as session:
        session_id = session.session_id
        assert session_id is not None
        assert session.status() == "created"
        body = payload(FLIP, backend="qpu.forte-1", session_id=session_id)
        ids = [submitted(client, body) for _ in range(4)]
        assert SessionManager.from_id(client, session_id).status() == "started"
        with pytest.raises(BadRequestError, match="takes 4 jobs"):
            create_job.sync(client=client, body=body)
        assert [job.id for job in iter_session_jobs(client, session_id)] == ids[::-1]
        active = there(get_sessions.sync(client=client, active=True))
        assert session_id in [each.id for each in active.sessions]
    found = there(get_session.sync(session_id, client=client))
    assert (found.status, found.active, found.backend) == ("ended", False, "qpu.forte-1")
    assert found.settings.expires_at - found.created_at == dt.timedelta(minutes=5)
    assert found.created_at <= found.started_at <= found.ended_at
    with pytest.raises(BadRequestError, match="ended"):
        create_job.sync(client=client, body=body)


def test_a_session_keeps_to_its_backend_and_its_cost(client: AuthenticatedClient) -> None:
    with SessionManager(client, "qpu.aria-1", max_cost=15) as session:
        with pytest.raises(BadRequestError, match=r"on qpu\.aria-1"):
            create_job.sync(client=client, body=payload(FLIP, session_id=session.session_id))
        body = payload(FLIP, backend="qpu.aria-1", session_id=session.session_id)
        submitted(client, body)
        with pytest.raises(BadRequestError, match=r"may cost 15\.0"):
            create_job.sync(client=client, body=body)
    with pytest.raises(BadRequestError, match="no backend"):
        SessionManager(client, "qpu.nowhere").open()


def test_it_runs_a_session_without_blocking(stand_in: StandIn) -> None:
    async def work() -> tuple[list[str], str]:
        async with connected(stand_in) as client:
            async with SessionManager(client, "qpu.forte-1") as session:
                assert session.session_id is not None
                body = payload(FLIP, backend="qpu.forte-1", session_id=session.session_id)
                created = there(await create_job.asyncio(client=client, body=body))
                jobs = [job.id async for job in aiter_session_jobs(client, session.session_id)]
                assert jobs == [created.id]
            return jobs, await session.async_status()

    jobs, status = asyncio.run(work())
    assert (len(jobs), status) == (1, "ended")
