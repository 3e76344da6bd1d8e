"""The Pinecone stand-in, judged by Pinecone's own client."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pinecone import (
    ApiError,
    ConflictError,
    Index,
    NotFoundError,
    Pinecone,
    PineconeTypeError,
    RateLimitError,
    RetryConfig,
    ServerlessSpec,
    UnauthorizedError,
)
from pinecone.errors import PayloadTooLargeError, ServiceError

import pinecone_server
from conditions import wait_until
from pinecone_server import KEY, PineconeServer

SERVERLESS = ServerlessSpec(cloud="aws", region="us-east-1")


@pytest.fixture(scope="module")
def server() -> Iterator[PineconeServer]:
    with pinecone_server.running(lag=0.05, startup=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: PineconeServer) -> Iterator[Pinecone]:
    with Pinecone(api_key=KEY, host=server.url, retry_config=RetryConfig(max_retries=0)) as client:
        yield client


@pytest.fixture(scope="module")
def shared(client: Pinecone) -> Iterator[Index]:
    """An index of three dimensions, compared by Euclidean distance, for tests that write to namespaces of their own."""
    client.indexes.create(name="shared", dimension=3, metric="euclidean", spec=SERVERLESS, timeout=-1)
    wait_until(lambda: client.indexes.describe("shared").status.ready)
    with client.index("shared") as index:
        yield index


@pytest.fixture
def namespace() -> str:
    return secrets.token_hex(8)


def post(index: Index, path: str, body: Any, **headers: str) -> httpx.Response:
    """Ask what the client itself would not let pass."""
    sent = {"Api-Key": KEY, "X-Pinecone-Api-Version": "2026-07"} | headers
    return httpx.post(index.host + path, json=body, headers=sent)


# -- indexes --------------------------------------------------------------------------------------------------


def test_an_index_is_made_described_listed_and_deleted(client: Pinecone) -> None:
    name = f"a-{secrets.token_hex(8)}"

    made = client.indexes.create(name=name, dimension=8, metric="dotproduct", spec=SERVERLESS, timeout=-1)
    assert (made.name, made.dimension, made.metric, made.vector_type) == (name, 8, "dotproduct", "dense")
    assert (made.status.ready, made.status.state) == (False, "Initializing")
    wait_until(lambda: client.indexes.describe(name).status.ready)
    described = client.indexes.describe(name)
    assert described.status.state == "Ready"
    assert described.host == made.host
    assert described.spec.serverless is not None
    assert described.spec.serverless.region == "us-east-1"
    assert name in [each.name for each in client.indexes.list()]
    client.indexes.delete(name)
    assert not client.indexes.exists(name)
    assert name not in [each.name for each in client.indexes.list()]


def test_an_index_is_not_there_to_be_asked_before_it_is_ready_nor_after_it_is_deleted(client: Pinecone) -> None:
    name = f"a-{secrets.token_hex(8)}"
    host = client.indexes.create(name=name, dimension=8, metric="cosine", spec=SERVERLESS, timeout=-1).host
    assert host is not None
    with client.index(host=host) as index:
        assert post(index, "/describe_index_stats", {}).status_code == 503
        wait_until(lambda: client.indexes.describe(name).status.ready)
        index.describe_index_stats()
        client.indexes.delete(name, timeout=-1)
        with pytest.raises(NotFoundError):
            index.describe_index_stats()

    again = client.indexes.create(name=name, dimension=8, metric="cosine", spec=SERVERLESS, timeout=-1)
    assert again.host != host


def test_an_index_that_is_not_there_is_not_found(client: Pinecone) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.indexes.describe("unknown")
    assert caught.value.error_code == "NOT_FOUND"
    with pytest.raises(NotFoundError):
        client.indexes.delete("unknown")


def test_a_name_is_taken_once(client: Pinecone, shared: Index) -> None:
    assert shared
    with pytest.raises(ConflictError, match="already exists"):
        client.indexes.create(name="shared", dimension=3, metric="cosine", spec=SERVERLESS, timeout=-1)


@pytest.mark.parametrize(
    ("name", "dimension", "metric"),
    [
        ("a" * 46, 3, "cosine"),
        ("Capital", 3, "cosine"),
        ("under_score", 3, "cosine"),
        ("-a", 3, "cosine"),
        ("a-", 3, "cosine"),
        ("a", 0, "cosine"),
        ("a", 20_001, "cosine"),
        ("a", 3, "manhattan"),
    ],
)
def test_an_index_that_cannot_be_is_refused(server: PineconeServer, name: str, dimension: int, metric: str) -> None:
    dense = {"type": "dense_vector", "dimension": dimension, "metric": metric}
    answer = httpx.post(
        f"{server.url}/indexes",
        json={"name": name, "schema": {"fields": {"_values": dense}}},
        headers={"Api-Key": KEY, "X-Pinecone-Api-Version": "2026-07"},
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_ARGUMENT"


# -- keys and versions ----------------------------------------------------------------------------------------


def test_a_wrong_key_is_told_from_a_good_one(server: PineconeServer, shared: Index) -> None:
    with Pinecone(api_key="wrong", host=server.url) as client:
        with pytest.raises(UnauthorizedError, match="Invalid API Key"):
            list(client.indexes.list())
        with client.index(host=shared.host) as index, pytest.raises(UnauthorizedError, match="Unauthorized"):
            index.describe_index_stats()
    assert httpx.get(f"{server.url}/indexes").status_code == 401


def test_another_version_of_the_api_is_not_spoken(shared: Index) -> None:
    answer = post(shared, "/query", {}, **{"X-Pinecone-Api-Version": "2024-07"})

    assert answer.status_code == 400
    assert "2026-07" in answer.json()["message"]


# -- records --------------------------------------------------------------------------------------------------


def test_records_are_written_found_fetched_listed_counted_and_deleted(shared: Index, namespace: str) -> None:
    metadata = {"genre": "drama", "year": 2020, "seen": True, "tags": ["a", "b"]}
    written = shared.upsert(
        vectors=[("a", [1, 0, 0], metadata), ("b", [3, 4, 0]), ("c", [0, 0, 2], {"genre": "comedy"})],
        namespace=namespace,
    )
    assert written.upserted_count == 3
    wait_until(lambda: len(shared.fetch(ids=["a", "b", "c"], namespace=namespace).vectors) == 3)

    fetched = shared.fetch(ids=["a", "unknown"], namespace=namespace)
    assert set(fetched.vectors) == {"a"}
    assert fetched.vectors["a"].values == [1, 0, 0]
    assert fetched.vectors["a"].metadata == metadata
    found = shared.query(vector=[0, 0, 0], top_k=2, namespace=namespace)
    assert [(match.id, match.score, match.values, match.metadata) for match in found.matches] == [
        ("a", 1, [], None),
        ("c", 4, [], None),
    ]
    full = shared.query(id="b", top_k=1, namespace=namespace, include_values=True, include_metadata=True)
    assert [(match.id, match.score, match.values) for match in full.matches] == [("b", 0, [3, 4, 0])]
    assert [each.id for page in shared.list(namespace=namespace, limit=2) for each in page.vectors] == ["a", "b", "c"]
    assert [each.id for page in shared.list(namespace=namespace, prefix="c") for each in page.vectors] == ["c"]
    stats = shared.describe_index_stats()
    assert (stats.namespaces[namespace].vector_count, stats.dimension, stats.metric) == (3, 3, "euclidean")
    assert stats.total_vector_count == sum(each.vector_count for each in stats.namespaces.values())
    shared.delete(ids=["a", "unknown"], namespace=namespace)
    wait_until(lambda: not shared.fetch(ids=["a"], namespace=namespace).vectors)
    shared.delete(filter={"genre": "comedy"}, namespace=namespace)
    wait_until(lambda: set(shared.fetch(ids=["b", "c"], namespace=namespace).vectors) == {"b"})
    shared.delete(delete_all=True, namespace=namespace)
    wait_until(lambda: shared.describe_index_stats().namespaces[namespace].vector_count == 0)


def test_a_write_shows_only_later(shared: Index, namespace: str) -> None:
    shared.upsert(vectors=[("a", [1, 0, 0])], namespace=namespace)

    assert shared.fetch(ids=["a"], namespace=namespace).vectors == {}
    assert shared.query(vector=[1, 0, 0], top_k=1, namespace=namespace).matches == []
    wait_until(lambda: shared.query(vector=[1, 0, 0], top_k=1, namespace=namespace).matches)


def test_namespaces_do_not_see_each_other(shared: Index, namespace: str) -> None:
    shared.upsert(vectors=[("a", [1, 0, 0])], namespace=namespace)
    wait_until(lambda: shared.fetch(ids=["a"], namespace=namespace).vectors)

    assert shared.fetch(ids=["a"], namespace="other").vectors == {}
    with pytest.raises(NotFoundError, match="Namespace not found"):
        shared.delete(ids=["a"], namespace="other")


def test_a_namespace_without_a_name_has_a_name_too(shared: Index) -> None:
    shared.upsert(vectors=[("unnamed", [1, 0, 0])])
    shared.upsert(vectors=[("named", [1, 0, 0])], namespace="__default__")

    wait_until(lambda: shared.fetch(ids=["unnamed"], namespace="__default__").vectors)
    wait_until(lambda: shared.fetch(ids=["named"]).vectors)


def test_a_delete_says_in_one_way_only_what_goes(shared: Index) -> None:
    for chosen in ({}, {"ids": ["a"], "filter": {"genre": "drama"}}, {"ids": ["a"], "deleteAll": True}):
        assert post(shared, "/vectors/delete", chosen).status_code == 400


# -- limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ({"id": "a", "values": [1, 2]}, "Vector dimension 2 does not match the dimension of the index 3"),
        ({"id": "a", "values": [0, 0, 0]}, "at least one non-zero"),
        ({"id": "a", "values": [1, None, 0]}, "TYPE_FLOAT"),
        ({"id": "a", "values": [1e39, 0, 0]}, "finite"),
        ({"id": "", "values": [1, 0, 0]}, "Vector ID"),
        ({"id": "x" * 513, "values": [1, 0, 0]}, "limit is 512"),
        ({"id": "é", "values": [1, 0, 0]}, "ASCII"),
        ({"id": "a", "values": [1, 0, 0], "metadata": {"text": "x" * 40_960}}, "exceeds the limit of 40960 bytes"),
        ({"id": "a", "values": [1, 0, 0], "metadata": {"a": {"b": 1}}}, "string, number, boolean or list of strings"),
        ({"id": "a", "values": [1, 0, 0], "metadata": {"a": [1]}}, "string, number, boolean or list of strings"),
        ({"id": "a", "values": [1, 0, 0], "metadata": {"$a": 1}}, "must not start with"),
        ({"id": "a", "values": [1, 0, 0], "sparseValues": {"indices": [], "values": []}}, "sparse"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_cannot_be_is_refused_with_all_of_its_request(
    shared: Index, namespace: str, vector: dict[str, Any], said: str
) -> None:
    fine = {"id": "fine", "values": [1, 0, 0]}
    answer = post(shared, "/vectors/upsert", {"vectors": [fine, vector], "namespace": namespace})

    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert namespace not in shared.describe_index_stats().namespaces


def test_metadata_is_taken_up_to_its_limit_and_without_nulls(shared: Index, namespace: str) -> None:
    text = "x" * (40_960 - len('{"text":""}'))
    shared.upsert(vectors=[("a", [1, 0, 0], {"text": text}), ("b", [1, 0, 0], {"none": None})], namespace=namespace)
    wait_until(lambda: len(shared.fetch(ids=["a", "b"], namespace=namespace).vectors) == 2)

    found = shared.fetch(ids=["a", "b"], namespace=namespace).vectors
    assert found["a"].metadata == {"text": text}
    assert found["b"].metadata is None
    with pytest.raises(ApiError, match="exceeds the limit of 40960 bytes"):
        shared.upsert(vectors=[("a", [1, 0, 0], {"text": text + "x"})], namespace=namespace)
    with pytest.raises(PineconeTypeError):
        shared.upsert(vectors=[("a", [1, 0, 0], {"a": {}})], namespace=namespace)


def test_numbers_are_doubles(shared: Index, namespace: str) -> None:
    shared.upsert(vectors=[("a", [1, 0, 0], {"n": 2**53 + 1})], namespace=namespace)

    wait_until(lambda: shared.fetch(ids=["a"], namespace=namespace).vectors)
    assert shared.fetch(ids=["a"], namespace=namespace).vectors["a"].metadata == {"n": 2**53}


def test_a_request_that_is_too_large_is_refused(shared: Index, namespace: str) -> None:
    with pytest.raises(ApiError, match="maximum of 1000"):
        shared.upsert(vectors=[(str(number), [1, 0, 0]) for number in range(1001)], namespace=namespace)
    with pytest.raises(PayloadTooLargeError, match="maximum supported size"):
        shared.upsert(
            vectors=[(str(number), [1, 0, 0], {"text": "x" * 30_000}) for number in range(70)], namespace=namespace
        )
    with pytest.raises(ApiError, match="maximum of 1000"):
        shared.delete(ids=[str(number) for number in range(1001)], namespace=namespace)
    with pytest.raises(ApiError, match="maximum of 1000"):
        shared.fetch(ids=[str(number) for number in range(1001)], namespace=namespace)
    with pytest.raises(ApiError, match="Too Long"):
        shared.fetch(ids=[f"{number:x<512}" for number in range(122)], namespace=namespace)
    assert post(shared, "/query", {"vector": [1, 0, 0], "topK": 10_001}).status_code == 400
    assert post(shared, "/query", {"vector": [1, 0, 0], "topK": 0}).status_code == 400


def test_a_result_that_is_too_large_is_refused(shared: Index, namespace: str) -> None:
    for start in range(0, 120, 40):
        shared.upsert(
            vectors=[(str(start + number), [1, 0, 0], {"text": "x" * 40_000}) for number in range(40)],
            namespace=namespace,
        )
    wait_until(lambda: len(shared.query(vector=[1, 0, 0], top_k=200, namespace=namespace).matches) == 120)

    with pytest.raises(ApiError, match="Query result size"):
        shared.query(vector=[1, 0, 0], top_k=200, namespace=namespace, include_metadata=True)


@pytest.mark.parametrize("body", [b"no JSON", b"[]"])
def test_a_body_that_is_no_object_is_refused(shared: Index, body: bytes) -> None:
    headers = {"Api-Key": KEY, "X-Pinecone-Api-Version": "2026-07"}
    assert httpx.post(f"{shared.host}/query", content=body, headers=headers).status_code == 400


# -- what goes wrong on command -------------------------------------------------------------------------------


def test_errors_are_answered_as_often_as_told(server: PineconeServer, client: Pinecone) -> None:
    server.fail("error", "GET /indexes", status=429, retry_after=7)
    server.fail("error", "GET /indexes", status=500)

    with pytest.raises(RateLimitError) as caught:
        list(client.indexes.list())
    assert caught.value.retry_after == 7
    with pytest.raises(ServiceError):
        list(client.indexes.list())
    list(client.indexes.list())


def test_the_client_tries_again_by_itself_where_it_is_let(server: PineconeServer, shared: Index) -> None:
    server.fail("error", "POST /describe_index_stats", status=503)
    before = server.asked("POST /describe_index_stats")

    shared.describe_index_stats()

    assert server.asked("POST /describe_index_stats") == before + 2


def test_what_is_told_to_go_wrong_is_looked_at_and_ended(server: PineconeServer, client: Pinecone) -> None:
    server.fail("drop", count=2, after=1)
    [fault] = server.sandbox.get("/faults").json()["faults"]
    assert (fault["kind"], fault["count"], fault["after"]) == ("drop", 2, 1)
    assert server.sandbox.post("/faults", json={"kind": "quake"}).status_code == 400

    server.heal()

    for _ in range(3):
        list(client.indexes.list())


# -- the process ----------------------------------------------------------------------------------------------


def test_it_listens_where_no_other_machine_reaches_it() -> None:
    command = [sys.executable, "-m", "qstore.sandbox.pinecone", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "loopback" in done.stderr
