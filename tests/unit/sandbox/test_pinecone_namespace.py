"""A namespace of the Pinecone stand-in: when writes show, what it holds, and what is nearest."""

from __future__ import annotations

import numpy as np
import pytest

from qstore.sandbox.pinecone.filtering import read_filter
from qstore.sandbox.pinecone.namespace import Namespace
from qstore.sandbox.pinecone.record import Metadata, Record

EVERYTHING = read_filter({})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(id: str, *values: float, metadata: Metadata | None = None) -> Record:  # noqa: A002 - the record's word
    return Record(id, np.array(values or [1], np.float32), metadata or {}, size=10)


def test_writes_show_after_the_lag_in_their_order() -> None:
    clock = Clock()
    namespace = Namespace("cosine", 2, clock)

    namespace.put([record("a", 1), record("b", 1)])
    clock.now = 1
    namespace.drop(["a"])
    namespace.put([record("b", 5)])

    assert namespace.records() == {}
    clock.now = 2
    assert set(namespace.records()) == {"a", "b"}
    assert namespace.records()["b"].values.tolist() == [1]
    clock.now = 3
    assert set(namespace.records()) == {"b"}
    assert namespace.records()["b"].values.tolist() == [5]


def test_what_a_filter_deletes_is_decided_when_the_delete_shows() -> None:
    clock = Clock()
    namespace = Namespace("cosine", 2, clock)

    namespace.put([record("a", metadata={"of": "x"}), record("b", metadata={"of": "y"})])
    namespace.drop_where(read_filter({"of": "x"}))

    clock.now = 2
    assert set(namespace.records()) == {"b"}


def test_the_size_is_of_what_is_held_whether_it_shows_or_not() -> None:
    clock = Clock()
    namespace = Namespace("cosine", 2, clock)

    namespace.put([record("a"), record("b")])
    namespace.put([record("a")])
    assert namespace.size == 30
    clock.now = 2
    namespace.records()
    assert namespace.size == 20
    namespace.drop(["a", "unknown"])
    namespace.drop_where(EVERYTHING)
    clock.now = 4
    namespace.records()
    assert namespace.size == 0


@pytest.mark.parametrize(
    ("metric", "nearest"),
    [
        ("cosine", [("c", 1), ("a", 0.6), ("b", -0.6)]),
        ("dotproduct", [("a", 6), ("c", 2), ("b", -3)]),
        ("euclidean", [("c", 1), ("b", 32), ("a", 89)]),
    ],
)
def test_the_nearest_come_first_with_the_score_of_the_metric(metric: str, nearest: list[tuple[str, float]]) -> None:
    namespace = Namespace(metric, 0, Clock())
    namespace.put([record("a", 6, 8), record("b", -3, 4), record("c", 2, 0)])

    found = namespace.nearest(np.array([1, 0], np.float32), 3, EVERYTHING)

    assert [each.id for each, _ in found] == [each for each, _ in nearest]
    assert [score for _, score in found] == pytest.approx([score for _, score in nearest])


def test_only_so_many_of_those_that_pass_are_found() -> None:
    namespace = Namespace("euclidean", 0, Clock())
    namespace.put([record(str(number), number, metadata={"odd": bool(number % 2)}) for number in range(1, 10)])

    found = namespace.nearest(np.array([0], np.float32), 2, read_filter({"odd": True}))

    assert [each.id for each, _ in found] == ["1", "3"]


def test_what_was_written_since_the_last_search_is_found() -> None:
    namespace = Namespace("cosine", 0, Clock())
    vector = np.array([1], np.float32)
    assert namespace.nearest(vector, 5, EVERYTHING) == []
    namespace.put([record("a")])
    assert len(namespace.nearest(vector, 5, EVERYTHING)) == 1
    namespace.put([record("b")])
    assert len(namespace.nearest(vector, 5, EVERYTHING)) == 2
    namespace.drop(["a"])
    assert len(namespace.nearest(vector, 5, EVERYTHING)) == 1


def test_no_distance_is_less_than_none() -> None:
    namespace = Namespace("euclidean", 0, Clock())
    vectors = np.random.default_rng(1).normal(scale=1000, size=(200, 64)).astype(np.float32)
    namespace.put([Record(str(place), vector, {}, 0) for place, vector in enumerate(vectors)])

    assert all(namespace.nearest(vector, 1, EVERYTHING)[0][1] >= 0 for vector in vectors)
