"""The stand-in as an ASGI application: which endpoint is where, who may ask, and that every answer counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qstore.sandbox.ionq.backend_routes import BackendEndpoints
from qstore.sandbox.ionq.characterizations import Characterizations
from qstore.sandbox.ionq.control import Control
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.exchange import over_limit
from qstore.sandbox.ionq.execution import Execution
from qstore.sandbox.ionq.faults import Faults
from qstore.sandbox.ionq.keys import Keys
from qstore.sandbox.ionq.ledger import Ledger
from qstore.sandbox.ionq.rate import RateLimit
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.routes import Endpoints
from qstore.sandbox.ionq.session_routes import SessionEndpoints
from qstore.sandbox.ionq.sessions import Sessions

PREFIX = "/v0.4"

_Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    latency: float = 0.0,
    api_keys: Iterable[str] = (),
    page_size: int = 25,
    counters: Counters | None = None,
    faults: Iterable[Any] = (),
    rate_limit: float | None = None,
) -> Starlette:
    """The stand-in, ready to serve. Nothing runs before its first request.

    Args:
        latency: Seconds from a job's submission to its end; 0 ends it as soon as it is simulated.
        api_keys: The keys that are good; none for any.
        page_size: Jobs in one page of a list, at most and by default.
        counters: Counts; None for ones of its own.
        faults: What is to go wrong from the start, as `POST /sandbox/faults` takes it.
        rate_limit: Requests a second each key may make, and at once after a pause; None for any number.

    Raises:
        InvalidFaultError: If a fault is none.
    """
    ledger = Ledger(latency)
    counted = counters or Counters()
    execution = Execution(clock=ledger.clock)
    keys = Keys(frozenset(api_keys))
    sessions = Sessions(ledger.clock)
    endpoints = Endpoints(ledger, execution, counted, keys, sessions, page_size)
    characterizations = Characterizations(ledger.clock)
    backend_endpoints = BackendEndpoints(characterizations, ledger.clock)
    session_endpoints = SessionEndpoints(sessions, ledger.clock)
    names: set[str] = set()
    failing = Faults(names, ledger.find)
    limit = RateLimit(rate_limit, burst=rate_limit) if rate_limit else None

    def route(method: str, path: str, handler: _Handler, *, public: bool = False) -> Route:
        name = f"{method} {path}"
        names.add(name)

        async def endpoint(request: Request) -> Response:
            async def work() -> Response:
                try:
                    if not public:
                        keys.check(request.headers.get("authorization"))
                    return await handler(request)
                except Refusal as refusal:
                    return refusal.response()

            response = over_limit(limit, request) if limit else None
            if response is None:
                response = await failing.answer(name, request, work)
            counted.answered(name, response.status_code)
            return response

        return Route(PREFIX + path, endpoint, methods=[method])

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        counted.answered(f"{request.method} (unknown)", status)
        return Refusal(status, f"{request.method} {request.url.path} cannot be answered").response()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        execution.close()

    app = Starlette(
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
            route("GET", "/jobs/{id}/circuits/{lang}", endpoints.get_compiled),
            route("GET", "/jobs/{id}/variants/{variant}/results/probabilities", endpoints.get_variant),
            route("GET", "/jobs/{id}/variants/{variant}/results/histogram", endpoints.get_variant),
            route("GET", "/jobs/{id}/variants/{variant}/results/shots", endpoints.get_variant),
            route("GET", "/backends", backend_endpoints.get_all, public=True),
            route("GET", "/backends/{backend}", backend_endpoints.get, public=True),
            route("GET", "/backends/{backend}/characterizations", backend_endpoints.get_characterizations, public=True),
            route(
                "GET",
                "/backends/{backend}/characterizations/{characterization}",
                backend_endpoints.get_characterization,
            ),
            route("POST", "/sessions", session_endpoints.create),
            route("GET", "/sessions", session_endpoints.get_all),
            route("GET", "/sessions/{session_id}", session_endpoints.get),
            route("POST", "/sessions/{session_id}/end", session_endpoints.end),
            route("GET", "/sessions/{session_id}/jobs", endpoints.get_session_jobs),
            route("GET", "/organizations/{organization}/usage", endpoints.get_usage),
            route("GET", "/whoami", endpoints.get_whoami),
            *Control(counted, ledger.book, failing, characterizations).routes,
        ],
        exception_handlers={404: unknown, 405: unknown, Exception: unknown},
        lifespan=lifespan,
    )
    failing.add(list(faults))  # now that every endpoint has a name
    return app
