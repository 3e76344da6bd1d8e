"""The endpoints for jobs: each reads its request, asks the ledger, and answers with a document."""

from __future__ import annotations

import asyncio
import sys

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq import documents, pricing
from qstore.sandbox.ionq.backends import BACKENDS
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.execution import Execution
from qstore.sandbox.ionq.job import Job, State
from qstore.sandbox.ionq.keys import Keys, whoami
from qstore.sandbox.ionq.ledger import Filter, Ledger
from qstore.sandbox.ionq.order import Order, read_order
from qstore.sandbox.ionq.reading import body_of, choice, cursor_of, day, filter_of, flag, ids_of, whole
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.sessions import Sessions
from qstore.sandbox.ionq.usage import GROUPS, MODALITIES, usages

_READ_INLINE = 32_768  # bytes of a body that are checked faster than a thread is called in
_ESTIMATE_DEFAULTS = {"qubits": 25, "shots": 1000, "1q_gates": 0, "2q_gates": 0}


class Endpoints:
    """Each endpoint as a method.

    Args:
        ledger: Keeps the jobs.
        execution: Runs them.
        counters: Counts them.
        keys: Tells who asks.
        sessions: Tells whether a session takes a job.
        page_size: Jobs in one page of a list, at most and by default.
    """

    def __init__(
        self,
        ledger: Ledger,
        execution: Execution,
        counters: Counters,
        keys: Keys,
        sessions: Sessions,
        page_size: int,
    ) -> None:
        self._ledger = ledger
        self._execution = execution
        self._counters = counters
        self._keys = keys
        self._sessions = sessions
        self._page_size = page_size
        self._running: set[asyncio.Task[None]] = set()

    # -- jobs -----------------------------------------------------------------------------------------------

    async def create_job(self, request: Request) -> Response:
        """POST /jobs."""
        order = await _order(await body_of(request))
        self._sessions.admit(order)
        job = self._ledger.accept(order)
        self._counters.accepted(job)
        task = asyncio.create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return JSONResponse(documents.created(job), 201)

    async def _run(self, job: Job) -> None:
        await self._execution.run(job)
        self._ledger.weigh(job)

    async def get_job(self, request: Request) -> Response:
        """GET /jobs/{id}."""
        return JSONResponse(documents.retrieved(self._job(request), self._ledger.clock()))

    async def get_jobs(self, request: Request) -> Response:
        """GET /jobs."""
        query = request.query_params
        limit = min(whole(query.get("limit"), "limit", self._page_size, least=1), self._page_size)
        jobs, following = self._ledger.search(filter_of(request), limit, cursor_of(request))
        now = self._ledger.clock()
        return JSONResponse(
            {
                "jobs": [documents.listed(job, now) for job in jobs],
                "next": None if following is None else f"{following:x}",
            }
        )

    async def get_session_jobs(self, request: Request) -> Response:
        """GET /sessions/{session_id}/jobs."""
        self._sessions.find(request.path_params["session_id"])
        return await self.get_jobs(request)

    async def cancel_job(self, request: Request) -> Response:
        """PUT /jobs/{id}/status/cancel; of a job that has ended it changes nothing, and says so nowhere."""
        job = self._job(request)
        job.cancel(self._ledger.clock())
        return JSONResponse({"id": job.id, "status": "canceled"})

    async def cancel_jobs(self, request: Request) -> Response:
        """PUT /jobs/status/cancel; ids nobody knows are left out of the answer."""
        jobs = self._known(await ids_of(request))
        for job in jobs:
            job.cancel(self._ledger.clock())
        return JSONResponse({"ids": [job.id for job in jobs], "status": "canceled"})

    async def delete_job(self, request: Request) -> Response:
        """DELETE /jobs/{id}."""
        job = self._job(request)
        self._ledger.delete(job)
        return JSONResponse({"id": job.id, "status": "deleted"})

    async def delete_jobs(self, request: Request) -> Response:
        """DELETE /jobs; ids nobody knows are left out of the answer."""
        jobs = self._known(await ids_of(request))
        for job in jobs:
            self._ledger.delete(job)
        return JSONResponse({"ids": [job.id for job in jobs], "status": "deleted"})

    # -- results --------------------------------------------------------------------------------------------

    async def get_result(self, request: Request) -> Response:
        """GET /jobs/{id}/results/probabilities, histogram or shots; nothing is debiased here, so nothing sharpened."""
        flag(request.query_params.get("sharpen"), "sharpen")
        kind = request.url.path.rpartition("/")[2]
        return _json(self._result(self._completed(request), kind))

    async def get_aggregated(self, request: Request) -> Response:
        """GET /jobs/{id}/results/probabilities/aggregated: by child, in the order of the circuits."""
        job = self._completed(request)
        if not job.children:
            raise Refusal(404, f"job {job.id} has no children")
        return _json(self._aggregated(job))

    async def get_artifact(self, request: Request) -> Response:
        """GET /jobs/{id}/artifacts/{artifact}."""
        job = self._completed(request)
        wanted = request.path_params["artifact"]
        if job.children and wanted == documents.artifact_id(job, "probabilities"):
            return _json(self._aggregated(job))
        for kind in job.outcome.results if job.outcome else ():
            if wanted == documents.artifact_id(job, kind):
                result = self._result(job, kind)
                return _json(b'{"shots":%b}' % result if job.type == "ionq.qasm3.v1" else result)
        raise Refusal(404, f"job {job.id} has no artifact {wanted!r}")

    async def get_variant(self, request: Request) -> Response:
        """GET /jobs/{id}/variants/{variant}/results/…: nothing is debiased here, so no job has variants."""
        raise Refusal(404, f"job {self._job(request).id} has no variants")

    async def get_compiled(self, request: Request) -> Response:
        """GET /jobs/{id}/circuits/{lang}: nothing is compiled here."""
        raise Refusal(404, f"job {self._job(request).id} was not compiled")

    def _result(self, job: Job, kind: str) -> bytes:
        result = job.outcome.results.get(kind) if job.outcome else None
        if result is None:
            raise Refusal(404, f"job {job.id} has no {kind}")
        return result

    def _aggregated(self, job: Job) -> bytes:
        """Children that have no probabilities are left out."""
        now = self._ledger.clock()
        return b"{%b}" % b",".join(
            b'"%b":%b' % (child.id.encode(), self._result(child, "probabilities"))
            for child in job.children
            if child.state(now) is State.COMPLETED
        )

    # -- money and keys -------------------------------------------------------------------------------------

    async def get_cost(self, request: Request) -> Response:
        """GET /jobs/{id}/cost."""
        return JSONResponse(pricing.job_cost(self._job(request), self._ledger.clock()))

    async def get_estimate(self, request: Request) -> Response:
        """GET /jobs/estimate."""
        query = request.query_params
        backend = BACKENDS.get(query.get("backend", ""))
        if backend is None:
            raise Refusal(400, "backend: name one there is")
        inputs = {
            "backend": backend.name,
            "type": query.get("type", "ionq.circuit.v1"),
            **{name: whole(query.get(name), name, value) for name, value in _ESTIMATE_DEFAULTS.items()},
            "error_mitigation": flag(query.get("error_mitigation"), "error_mitigation") or False,
        }
        return JSONResponse(pricing.estimate(inputs, backend, self._ledger.latency, self._ledger.clock()))

    async def get_usage(self, request: Request) -> Response:
        """GET /organizations/{organization}/usage."""
        query = request.query_params
        start = day(query.get("start_date"), "start_date")
        end = day(query.get("end_date"), "end_date")
        if end <= start:
            raise Refusal(400, "end_date: after start_date")
        group_by = choice(query.get("group_by"), "group_by", GROUPS)
        modality = choice(query.get("modality"), "modality", MODALITIES)
        if request.path_params["organization"].lower() != documents.ORGANIZATION_ID:
            raise Refusal(404, "there is no such organization")
        jobs, _ = self._ledger.search(Filter(), sys.maxsize - 1)
        return JSONResponse(usages(jobs, start, end, group_by, modality, self._ledger.clock()))

    async def get_whoami(self, request: Request) -> Response:
        """GET /whoami."""
        return JSONResponse(whoami(self._keys.check(request.headers.get("authorization"))))

    # -- finding jobs ---------------------------------------------------------------------------------------

    def _job(self, request: Request) -> Job:
        job = self._ledger.find(request.path_params["id"])
        if job is None:
            raise Refusal(404, "there is no such job")
        return job

    def _completed(self, request: Request) -> Job:
        job = self._job(request)
        state = job.state(self._ledger.clock())
        if state is not State.COMPLETED:
            raise Refusal(404, f"job {job.id} is {state}, it has no results")
        return job

    def _known(self, ids: list[str]) -> list[Job]:
        return [job for job in map(self._ledger.find, dict.fromkeys(ids)) if job is not None]


async def _order(body: bytes) -> Order:
    """Check a job, in a thread where that takes more than a moment."""
    if len(body) <= _READ_INLINE and b"ionq.qasm3" not in body:
        return read_order(body)
    return await asyncio.to_thread(read_order, body)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
