"""The stand-in as an ASGI application: which endpoint is where, who may ask, and in which version of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qstore.sandbox.pinecone.control import Asked, Control
from qstore.sandbox.pinecone.control_plane import HOSTS, ControlPlane
from qstore.sandbox.pinecone.data_plane import DataPlane
from qstore.sandbox.pinecone.faults import Faults
from qstore.sandbox.pinecone.project import Project
from qstore.sandbox.pinecone.refusal import Refusal

API_VERSION = "2026-07"
"""The only version of the API spoken here."""

_Handler = Callable[[Request], Awaitable[Response]]


def create_app(api_key: str | None = None, lag: float = 0.0, startup: float = 0.1) -> Starlette:
    """The stand-in, ready to serve.

    Args:
        api_key: The key that is good; None for any that is not blank.
        lag: Seconds after which a write shows.
        startup: Seconds after which a new index is ready.
    """
    project = Project(lag, startup)
    control_plane, data_plane = ControlPlane(project), DataPlane(project)
    faults = Faults()
    asked = Asked()

    def route(method: str, path: str, handler: _Handler, prefix: str = "") -> Route:
        name = f"{method} {path}"

        async def endpoint(request: Request) -> Response:
            asked.add(name, request)

            async def work() -> Response:
                return await handler(request)

            try:
                _check(request, api_key)
                return await faults.answer(name, request, work)
            except Refusal as refusal:
                return refusal.from_data_plane() if prefix else refusal.from_control_plane()

        return Route(prefix + path, endpoint, methods=[method])

    host = HOSTS + "/{place}"
    return Starlette(
        routes=[
            route("GET", "/indexes", control_plane.list_indexes),
            route("POST", "/indexes", control_plane.create_index),
            route("GET", "/indexes/{name}", control_plane.describe_index),
            route("DELETE", "/indexes/{name}", control_plane.delete_index),
            route("POST", "/vectors/upsert", data_plane.upsert, host),
            route("POST", "/query", data_plane.query, host),
            route("GET", "/vectors/fetch", data_plane.fetch, host),
            route("POST", "/vectors/delete", data_plane.delete, host),
            route("GET", "/vectors/list", data_plane.list_ids, host),
            route("POST", "/describe_index_stats", data_plane.describe_stats, host),
            *Control(faults, asked).routes,
        ]
    )


def _check(request: Request, api_key: str | None) -> None:
    key = request.headers.get("api-key", "")
    if not key.strip() or (api_key is not None and key != api_key):
        raise Refusal(401, "Invalid API Key")
    if request.headers.get("x-pinecone-api-version") != API_VERSION:
        raise Refusal(400, f"only version {API_VERSION} of the API is spoken here")
