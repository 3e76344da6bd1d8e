"""The data plane of every index: records are written, searched, fetched, listed, counted and deleted."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstore.sandbox.pinecone.filtering import Test, read_filter
from qstore.sandbox.pinecone.index import Index
from qstore.sandbox.pinecone.project import Project
from qstore.sandbox.pinecone.reading import read_flag, read_id, read_ids, read_object, read_text
from qstore.sandbox.pinecone.record import Record, read_records, read_vector
from qstore.sandbox.pinecone.refusal import Refusal

_MOST_MATCHES = 10_000
_LONGEST_RESULT = 4 * 1024 * 1024  # bytes
_LONGEST_TARGET = 60 * 1024  # bytes of path and query
_MOST_IDS = 1000  # of one fetch or delete
_PAGE = 100  # ids of a list


class DataPlane:
    """Every such endpoint as a method.

    Args:
        project: Whose indexes they are.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    async def upsert(self, request: Request) -> Response:
        """POST /vectors/upsert."""
        index = self._index(request)
        body = await read_object(request)
        records = read_records(body.get("vectors"), index.dimension)
        self._project.make_room(sum(each.size for each in records))
        index.made_namespace(read_text(body, "namespace")).put(records)
        return JSONResponse({"upsertedCount": len(records)})

    async def query(self, request: Request) -> Response:
        """POST /query: by a vector, or by the id of a record."""
        index = self._index(request)
        body = await read_object(request)
        count = body.get("topK")
        if not isinstance(count, int) or not 1 <= count <= _MOST_MATCHES:
            raise Refusal(400, f"topK must be between 1 and {_MOST_MATCHES}")
        name = read_text(body, "namespace")
        passes = read_filter(body.get("filter") or {})
        values, metadata = read_flag(body, "includeValues"), read_flag(body, "includeMetadata")
        namespace = index.namespace(name)
        if "id" in body:
            record = _shown(index, name).get(read_id(body["id"]))
            found = namespace.nearest(record.values, count, passes) if namespace and record else []
        else:
            vector = read_vector(body.get("vector"), index.dimension)
            found = namespace.nearest(vector, count, passes) if namespace else []
        matches = [{**each.document(values=values, metadata=metadata), "score": score} for each, score in found]
        answer = JSONResponse({"matches": matches, "namespace": name, "usage": {"readUnits": 1}})
        if len(answer.body) > _LONGEST_RESULT:
            raise Refusal(400, f"Query result size exceeds the limit of {_LONGEST_RESULT} bytes")
        return answer

    async def fetch(self, request: Request) -> Response:
        """GET /vectors/fetch."""
        index = self._index(request)
        if len(request.url.path) + len(request.url.query) > _LONGEST_TARGET:
            raise Refusal(414, "URI Too Long")
        ids = read_ids(request.query_params.getlist("ids"), _MOST_IDS)
        name = request.query_params.get("namespace", "")
        shown = _shown(index, name)
        found = {each: shown[each].document(values=True, metadata=True) for each in ids if each in shown}
        return JSONResponse({"vectors": found, "namespace": name, "usage": {"readUnits": 1}})

    async def delete(self, request: Request) -> Response:
        """POST /vectors/delete: by ids, by a filter, or all."""
        index = self._index(request)
        body = await read_object(request)
        chosen = [name for name in ("ids", "filter", "deleteAll") if body.get(name)]
        if len(chosen) != 1:
            raise Refusal(400, "One of ids, filter and deleteAll has to be given")
        ids = read_ids(body["ids"], _MOST_IDS) if "ids" in chosen else []
        test: Test = read_filter(body["filter"]) if "filter" in chosen else lambda _: True
        namespace = index.namespace(read_text(body, "namespace"))
        if namespace is None:
            raise Refusal(404, "Namespace not found")
        if ids:
            namespace.drop(ids)
        else:
            namespace.drop_where(test)
        return JSONResponse({})

    async def list_ids(self, request: Request) -> Response:
        """GET /vectors/list: in order, a page at a time."""
        asked = request.query_params
        limit = asked.get("limit", str(_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= _PAGE:
            raise Refusal(400, f"limit must be between 1 and {_PAGE}")
        name, prefix, after = asked.get("namespace", ""), asked.get("prefix", ""), asked.get("paginationToken", "")
        ids = sorted(each for each in _shown(self._index(request), name) if each.startswith(prefix) and each > after)
        page = ids[: int(limit)]
        answer: dict[str, Any] = {"vectors": [{"id": each} for each in page], "namespace": name}
        if len(ids) > len(page):
            answer["pagination"] = {"next": page[-1]}
        return JSONResponse({**answer, "usage": {"readUnits": 1}})

    async def describe_stats(self, request: Request) -> Response:
        """POST /describe_index_stats."""
        index = self._index(request)
        body = await read_object(request)
        if body.get("filter"):
            raise Refusal(400, "Serverless indexes do not support describing index stats with metadata filtering")
        counts = {name: len(each.records()) for name, each in index.namespaces.items()}
        return JSONResponse(
            {
                "namespaces": {name: {"vectorCount": count} for name, count in counts.items()},
                "dimension": index.dimension,
                "metric": index.metric,
                "vectorType": "dense",
                "indexFullness": 0,
                "totalVectorCount": sum(counts.values()),
            }
        )

    def _index(self, request: Request) -> Index:
        return self._project.at(request.path_params["place"])


def _shown(index: Index, name: str) -> dict[str, Record]:
    namespace = index.namespace(name)
    return namespace.records() if namespace else {}
