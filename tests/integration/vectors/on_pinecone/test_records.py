"""Records and requests larger than Pinecone takes at once."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from pinecone import Pinecone

from conditions import wait_until
from integration.vectors.on_pinecone.collection import UPSERT, noise, record
from pinecone_server import PineconeServer
from qstore.errors import VectorStoreRefusedError, VectorStoreUnavailableError
from workers.vectors.pinecone import PineconeStore
from workers.vectors.pinecone_collection import PineconeCollection
from workers.vectors.store import Record

# -- payloads that do not fit into one record ------------------------------------------------------------------


def test_what_was_torn_while_it_was_written_is_not_there_and_what_it_replaces_stays_whole(
    server: PineconeServer, collection: PineconeCollection
) -> None:
    old, new = {"text": noise(200_000)}, {"text": noise(200_000)}
    collection.upsert([record("old", old)])
    wait_until(lambda: collection.fetch(["old"]))

    for id_ in ("old", "new"):
        server.fail("error", UPSERT, after=1)  # parts are written, the record is not
        with pytest.raises(VectorStoreUnavailableError):
            collection.upsert([record(id_, new)])
    collection.upsert([record("marker")])
    wait_until(lambda: collection.fetch(["marker"]))

    assert set(collection.fetch(["old", "new"])) == {"old"}
    assert collection.fetch(["old"])["old"].payload == old
    collection.upsert([record("old", new)])
    wait_until(lambda: collection.fetch(["old"])["old"].payload == new)


def test_a_record_whose_parts_are_gone_is_not_there_itself(
    bare: Pinecone, shared: PineconeCollection, caplog: pytest.LogCaptureFixture
) -> None:
    shared.upsert([record("torn", {"text": noise(100_000)})])
    wait_until(lambda: shared.fetch(["torn"]))
    index = bare.index(f"qstore-{shared.name}")

    index.delete(delete_all=True, namespace="parts")

    wait_until(lambda: not shared.fetch(["torn"]))
    assert [match.record.id for match in shared.query([1, 1, 1])] == ["a"]
    assert "'torn' is not all there" in caplog.text


def test_a_part_that_was_changed_is_noticed(bare: Pinecone, shared: PineconeCollection) -> None:
    shared.upsert([record("torn", {"text": noise(100_000)})])
    wait_until(lambda: shared.fetch(["torn"]))
    index = bare.index(f"qstore-{shared.name}")
    [page] = index.list(namespace="parts")
    part = str(page.vectors[0].id)
    metadata = index.fetch(ids=[part], namespace="parts").vectors[part].metadata
    assert metadata is not None

    changed = {**metadata, "qstore.payload": metadata["qstore.payload"][::-1]}
    index.upsert(vectors=[(part, [1, 0, 0], changed)], namespace="parts")

    wait_until(lambda: not shared.fetch(["torn"]))


def test_a_record_of_somebody_else_is_left_out(bare: Pinecone, shared: PineconeCollection) -> None:
    index = bare.index(f"qstore-{shared.name}")
    index.upsert(vectors=[("foreign", [1, 1, 1], {"genre": "action"}), ("bare", [1, 1, 1])])
    wait_until(lambda: len(index.fetch(ids=["foreign", "bare"]).vectors) == 2)

    assert set(shared.fetch(["a", "foreign", "bare"])) == {"a"}


def test_all_parts_of_a_record_are_deleted_with_it(bare: Pinecone, collection: PineconeCollection) -> None:
    index = bare.index(f"qstore-{collection.name}")
    for _ in range(2):  # the parts of the first are of no use after the second
        same = {"text": noise(120_000)}
        collection.upsert([record("large", same), record("stays", same)])
    wait_until(lambda: len(collection.fetch(["large", "stays"])) == 2 and _count(index, "parts") == 8)

    collection.delete(["large"])

    wait_until(lambda: _count(index, "parts") == 4)
    assert set(collection.fetch(["large", "stays"])) == {"stays"}


def test_fields_that_look_like_ours_come_back_and_are_found(shared: PineconeCollection) -> None:
    payload: dict[str, str | int] = {
        "qstore.payload": "x",
        "qstore.parts": 3,
        "qstore.label.a": 1,
        "qstore.digest": True,
    }
    shared.upsert([record("odd", payload)])
    wait_until(lambda: shared.fetch(["odd"]))

    assert shared.fetch(["odd"])["odd"].payload == payload
    for key, value in payload.items():
        assert [match.record.id for match in shared.query([1, 1, 1], 10, {key: value})] == ["odd"]


def test_more_to_filter_by_than_pinecone_keeps_is_refused(shared: PineconeCollection) -> None:
    with pytest.raises(VectorStoreRefusedError, match="too many strings"):
        shared.upsert([record("b"), record("many", {str(number): "x" * 400 for number in range(100)})])

    assert set(shared.fetch(["b", "many"])) == set()


def test_as_much_to_filter_by_as_pinecone_keeps_is_taken(shared: PineconeCollection) -> None:
    payload = {str(number): noise(400) for number in range(91)}
    shared.upsert([record("many", payload)])

    wait_until(lambda: shared.fetch(["many"]))
    assert shared.fetch(["many"])["many"].payload == payload


# -- limits of a request ---------------------------------------------------------------------------------------


def test_more_than_one_request_takes_is_cut(server: PineconeServer, store: PineconeStore) -> None:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 3, "l2")
    many = [record(f"small-{number}", {"large": False}) for number in range(1001)]
    large = [record(f"large-{number}", {"large": True, "text": noise(45_000)}) for number in range(120)]
    before = server.asked(UPSERT)

    collection.upsert(many)
    collection.upsert(large)

    assert server.asked(UPSERT) - before == 2 + 3
    wait_until(lambda: collection.fetch([large[-1].id]))
    before = server.asked("GET /vectors/fetch")
    assert len(collection.fetch([each.id for each in large])) == 120
    assert server.asked("GET /vectors/fetch") == before + 2  # for answers of at most 4 MB
    assert len(collection.query([1, 1, 1], 120, {"large": True})) == 120
    collection.delete([each.id for each in many])
    wait_until(lambda: not collection.fetch([many[-1].id]))
    assert collection.query([1, 1, 1], 1, {"large": False}) == []


def test_the_longest_ids_are_fetched_many_at_once(shared: PineconeCollection) -> None:
    records = [record(f"{number:%<512}") for number in range(150)]
    shared.upsert(records)

    wait_until(lambda: len(shared.fetch([each.id for each in records])) == 150)


def test_the_largest_dimension_is_taken(store: PineconeStore) -> None:
    collection = store.collection(f"test-{secrets.token_hex(8)}", 20_000)
    vectors = np.random.default_rng(1).normal(size=(5, 20_000)).astype(np.float32) * 1e-30
    vectors[:, 0] = 1
    collection.upsert([Record(str(place), vector) for place, vector in enumerate(vectors)])

    wait_until(lambda: collection.fetch(["4"]))
    [match] = collection.query(vectors[3], 1)
    assert np.array_equal(match.record.vector, vectors[int(match.record.id)])


def test_a_distance_that_rounding_made_less_than_none_is_none(shared: PineconeCollection) -> None:
    assert shared._score(-1e-12) == 0


def _count(index: object, namespace: str) -> int:
    summaries = index.describe_index_stats().namespaces  # type: ignore[attr-defined]  # any of the client's
    return int(summaries[namespace].vector_count)
