"""The stand-in as an ASGI application: which endpoint is where, who may ask, and that every answer counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.execution import Execution
from qstore.sandbox.ionq.keys import Keys
from qstore.sandbox.ionq.ledger import Ledger
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.routes import Endpoints

PREFIX = "/v0.4"

_Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    latency: float = 0.0,
    api_keys: Iterable[str] = (),
    page_size: int = 25,
    counters: Counters | None = None,
) -> Starlette:
    """The stand-in, ready to serve. Nothing runs before its first request.

    Args:
        latency: Seconds from a job's submission to its end; 0 ends it as soon as it is simulated.
        api_keys: The keys that are good; none for any.
        page_size: Jobs in one page of a list, at most and by default.
        counters: Counts; None for ones of its own.
    """
    ledger = Ledger(latency)
    counted = counters or Counters()
    execution = Execution(clock=ledger.clock)
    keys = Keys(frozenset(api_keys))
    endpoints = Endpoints(ledger, execution, counted, keys, page_size)

    def route(method: str, path: str, handler: _Handler, *, public: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if not public:
                    keys.check(request.headers.get("authorization"))
                response = await handler(request)
            except Refusal as refusal:
                response = refusal.response()
            counted.answered(f"{method} {path}", response.status_code)
            return response

        return Route(PREFIX + path, endpoint, methods=[method])

    async def stats(_request: Request) -> Response:
        return JSONResponse(counted.document())

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        counted.answered(f"{request.method} (unknown)", status)
        return Refusal(status, f"{request.method} {request.url.path} cannot be answered").response()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        execution.close()

    return Starlette(
        routes=[
            route("POST", "/jobs", endpoints.create_job),
            route("GET", "/jobs", endpoints.get_jobs),
            route("DELETE", "/jobs", endpoints.delete_jobs),
            route("PUT", "/jobs/status/cancel", endpoints.cancel_jobs),
            route("GET", "/jobs/estimate", endpoints.get_estimate),
            route("GET", "/jobs/{id}", endpoints.get_job),
            route("DELETE", "/jobs/{id}", endpoints.delete_job),
            route("PUT", "/jobs/{id}/status/cancel", endpoints.cancel_job),
            route("GET", "/jobs/{id}/cost", endpoints.get_cost),
            route("GET", "/jobs/{id}/results/probabilities", endpoints.get_result),
            route("GET", "/jobs/{id}/results/histogram", endpoints.get_result),
            route("GET", "/jobs/{id}/results/shots", endpoints.get_result),
            route("GET", "/jobs/{id}/results/probabilities/aggregated", endpoints.get_aggregated),
            route("GET", "/jobs/{id}/artifacts/{artifact}", endpoints.get_artifact),
            route("GET", "/backends", endpoints.get_backends, public=True),
            route("GET", "/backends/{backend}", endpoints.get_backend, public=True),
            route("GET", "/backends/{backend}/characterizations", endpoints.get_characterizations, public=True),
            route("GET", "/whoami", endpoints.get_whoami),
            Route("/sandbox/stats", stats, methods=["GET"]),
        ],
        exception_handlers={404: unknown, 405: unknown, Exception: unknown},
        lifespan=lifespan,
    )
