"""The quotas of the Pinecone stand-in, which bound what it holds."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from qstore.sandbox.pinecone.data_plane import DataPlane
from qstore.sandbox.pinecone.project import Project
from qstore.sandbox.pinecone.record import Record
from qstore.sandbox.pinecone.refusal import Refusal


def test_no_more_bytes_are_held_than_may_be() -> None:
    project = Project(lag=0, startup=0, most_bytes=100)
    record = Record("a", np.ones(3, np.float32), {}, size=60)
    project.create("one", 3, "cosine", {}).made_namespace("x").put([record])

    project.make_room(40)

    with pytest.raises(Refusal, match="max storage") as caught:
        project.make_room(41)
    assert caught.value.status == 403
    project.delete("one")
    project.make_room(100)


def test_an_upsert_of_more_than_may_be_held_is_refused() -> None:
    project = Project(lag=0, startup=0, most_bytes=10)
    index = project.create("one", 3, "cosine", {})
    request = Request({"type": "http", "path_params": {"place": index.place}}, _body)

    with pytest.raises(Refusal, match="max storage"):
        asyncio.run(DataPlane(project).upsert(request))

    assert index.size == 0


def test_no_more_indexes_are_made_than_may_be() -> None:
    project = Project(lag=0, startup=0, most_indexes=1)
    project.create("one", 3, "cosine", {})

    with pytest.raises(Refusal, match="max indexes") as caught:
        project.create("two", 3, "cosine", {})

    assert caught.value.status == 403


def test_no_more_namespaces_are_made_than_may_be() -> None:
    index = Project(lag=0, startup=0).create("one", 3, "cosine", {})
    for number in range(1000):
        index.made_namespace(str(number))

    index.made_namespace("0")
    with pytest.raises(Refusal, match="max namespaces") as caught:
        index.made_namespace("another")

    assert caught.value.status == 403


async def _body() -> dict[str, Any]:
    return {"type": "http.request", "body": b'{"vectors": [{"id": "a", "values": [1, 0, 0]}]}'}
