"""The control plane: indexes are listed, made, described and deleted."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.pinecone.index import Index
from qstore.sandbox.pinecone.project import Project
from qstore.sandbox.pinecone.reading import read_object
from qstore.sandbox.pinecone.refusal import Refusal

HOSTS = "/hosts"
"""The path below which every index has its host."""


class ControlPlane:
    """Every such endpoint as a method.

    Args:
        project: Whose indexes they are.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    async def list_indexes(self, request: Request) -> Response:
        """GET /indexes."""
        return JSONResponse({"indexes": [_document(request, each) for each in self._project.indexes()]})

    async def create_index(self, request: Request) -> Response:
        """POST /indexes: for vectors, that is with a schema of one dense field, which is called `_values`."""
        body = await read_object(request)
        dense = _dense(body.get("schema"))
        deployment = body.get("deployment") or {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"}
        if not isinstance(deployment, dict) or deployment.get("deployment_type") != "managed":
            raise Refusal(400, "deployment: only managed indexes are known here")
        if not (isinstance(deployment.get("cloud"), str) and isinstance(deployment.get("region"), str)):
            raise Refusal(400, "deployment: cloud and region are missing")
        index = self._project.create(body.get("name"), dense.get("dimension"), dense.get("metric"), deployment)
        return JSONResponse(_document(request, index), 201)

    async def describe_index(self, request: Request) -> Response:
        """GET /indexes/{name}."""
        return JSONResponse(_document(request, self._project.find(request.path_params["name"])))

    async def delete_index(self, request: Request) -> Response:
        """DELETE /indexes/{name}."""
        self._project.delete(request.path_params["name"])
        return Response(status_code=202)


def _dense(schema: Any) -> dict[str, Any]:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, dict) or list(fields) != ["_values"] or not isinstance(fields["_values"], dict):
        raise Refusal(400, "schema: only indexes of one dense field, `_values`, are known here")
    dense: dict[str, Any] = fields["_values"]
    if dense.get("type") != "dense_vector":
        raise Refusal(400, "schema: `_values` is a dense_vector")
    return dense


def _document(request: Request, index: Index) -> dict[str, Any]:
    return index.document(f"{request.url.scheme}://{request.url.netloc}{HOSTS}")
