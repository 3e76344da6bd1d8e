"""The endpoints: each reads its request, asks the ledger, and answers with a document."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.ionq import documents, pricing
from qstore.sandbox.ionq.backends import BACKENDS, Backend
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.execution import Execution
from qstore.sandbox.ionq.job import Job, State
from qstore.sandbox.ionq.keys import Keys, whoami
from qstore.sandbox.ionq.ledger import Filter, Ledger
from qstore.sandbox.ionq.order import Order, read_order
from qstore.sandbox.ionq.refusal import Refusal

LARGEST_BODY = 8_000_000
"""Bytes."""

_READ_INLINE = 32_768  # bytes of a body that are checked faster than a thread is called in
_ESTIMATE_DEFAULTS = {"qubits": 25, "shots": 1000, "1q_gates": 0, "2q_gates": 0}


class Endpoints:
    """Every endpoint as a method.

    Args:
        ledger: Keeps the jobs.
        execution: Runs them.
        counters: Counts them.
        keys: Tells who asks.
        page_size: Jobs in one page of a list, at most and by default.
    """

    def __init__(self, ledger: Ledger, execution: Execution, counters: Counters, keys: Keys, page_size: int) -> None:
        self._ledger = ledger
        self._execution = execution
        self._counters = counters
        self._keys = keys
        self._page_size = page_size
        self._running: set[asyncio.Task[None]] = set()

    # -- jobs -----------------------------------------------------------------------------------------------

    async def create_job(self, request: Request) -> Response:
        """POST /jobs."""
        body = await _body(request)
        job = self._ledger.accept(await _order(body))
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
        ids = query.getlist("ids") + query.getlist("ids[]")
        targets = query.get("target")
        only = Filter(
            ids=frozenset(ids) if ids else None,
            parent_id=query.get("parent_job_id"),
            state=_state(query.get("status")),
            backends=frozenset(targets.split(",")) if targets else None,
            session_id=query.get("session_id"),
        )
        limit = min(_whole(query.get("limit"), "limit", self._page_size, least=1), self._page_size)
        jobs, following = self._ledger.search(only, limit, _cursor(query.get("next")))
        now = self._ledger.clock()
        return JSONResponse(
            {
                "jobs": [documents.listed(job, now) for job in jobs],
                "next": None if following is None else f"{following:x}",
            }
        )

    async def cancel_job(self, request: Request) -> Response:
        """PUT /jobs/{id}/status/cancel; of a job that has ended it changes nothing, and says so nowhere."""
        job = self._job(request)
        job.cancel(self._ledger.clock())
        return JSONResponse({"id": job.id, "status": "canceled"})

    async def cancel_jobs(self, request: Request) -> Response:
        """PUT /jobs/status/cancel; ids nobody knows are left out of the answer."""
        jobs = self._known(await _ids(request))
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
        jobs = self._known(await _ids(request))
        for job in jobs:
            self._ledger.delete(job)
        return JSONResponse({"ids": [job.id for job in jobs], "status": "deleted"})

    # -- results --------------------------------------------------------------------------------------------

    async def get_result(self, request: Request) -> Response:
        """GET /jobs/{id}/results/probabilities, histogram or shots."""
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

    # -- money, backends, keys ------------------------------------------------------------------------------

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
            **{name: _whole(query.get(name), name, value) for name, value in _ESTIMATE_DEFAULTS.items()},
            "error_mitigation": query.get("error_mitigation", "false").lower() == "true",
        }
        return JSONResponse(pricing.estimate(inputs, backend, self._ledger.latency, self._ledger.clock()))

    async def get_backends(self, _request: Request) -> Response:
        """GET /backends."""
        now = self._ledger.clock()
        return JSONResponse([documents.backend(backend, now) for backend in BACKENDS.values()])

    async def get_backend(self, request: Request) -> Response:
        """GET /backends/{backend}."""
        return JSONResponse(documents.backend(_backend(request), self._ledger.clock()))

    async def get_characterizations(self, request: Request) -> Response:
        """GET /backends/{backend}/characterizations."""
        return JSONResponse(documents.characterizations(_backend(request), self._ledger.clock()))

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


# -- reading requests ---------------------------------------------------------------------------------------


async def _body(request: Request) -> bytes:
    """The body, no further than it may go."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refusal(413, f"a request has at most {LARGEST_BODY} bytes")
    return bytes(body)


async def _order(body: bytes) -> Order:
    """Check a job, in a thread where that takes more than a moment."""
    if len(body) <= _READ_INLINE and b"ionq.qasm3" not in body:
        return read_order(body)
    return await asyncio.to_thread(read_order, body)


async def _ids(request: Request) -> list[str]:
    try:
        ids = json.loads(await _body(request))["ids"]
    except (ValueError, TypeError, KeyError):
        ids = None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise Refusal(400, 'the body is {"ids": [...]}')
    return ids


def _backend(request: Request) -> Backend:
    backend = BACKENDS.get(request.path_params["backend"])
    if backend is None:
        raise Refusal(404, "there is no such backend")
    return backend


def _whole(text: str | None, name: str, default: int, least: int = 0) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):  # noqa: PLR2004 - int32
        raise Refusal(400, f"{name}: a whole number of at least {least}")
    return int(text)


def _state(text: str | None) -> State | None:
    try:
        return State(text) if text is not None else None
    except ValueError:
        raise Refusal(400, f"status: there is no state {text!r}") from None


def _cursor(text: str | None) -> int | None:
    try:
        return int(text, 16) if text else None
    except ValueError:
        raise Refusal(400, "next: not a cursor of ours") from None


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
