"""What every adapter of workers/vectors/store.py has to pass; the exact store in memory is the judge of answers.

A module of tests inherits `VectorStoreContract` and brings a fixture `store`. One whose store shows a write some time
later overrides `settled`. Decided here, for what all of the stores can keep:

- What cannot be kept is refused with `VectorStoreRefusedError` before anything is written, the whole call; a collection
  that cannot be, with `ValueError`, before anything is asked. `workers/vectors/accept.py` does both.
- No vector of length zero, whatever the metric: it has no cosine, and some stores keep none at all.
- No U+0000 and no half a surrogate pair in a payload. A payload comes back equal, whatever its size.
- Filters see the strings of at most 500 characters, the numbers within 2**53 and the truths at the payload's top level,
  under keys that do not begin with $; asking for others is refused. 1 is 1.0, and neither is True.
- A collection that is there with another dimension or metric is refused where it is first used.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import ArrayLike

from exact_store import ExactStore, score
from qstore.errors import VectorStoreRefusedError
from workers.vectors.store import Collection, Match, Metric, Record, Vector, VectorStore

ODD_IDS = [
    "'; DROP TABLE x; --",
    '"',
    "\\",
    "%_*?",
    " a ",
    "a,b",
    "{}",
    "$1",
    "a/b?c=d&e#f",
    "+",
    "~",
    "x" * 512,
    "%41",
]
PAYLOADS: dict[str, dict[str, Any]] = {
    "empty": {},
    "nested": {"a": {"b": [1, [2, {"c": None}], True, False]}, "": {"": []}, "$set": {"$ne": 1}, "a.b": {"c": 1}},
    "unicode": {"größe": "ħ ψ 🐈 \u202e \u2028 é e\u0301", "quotes": "'\"`\\ \\u0000 \n\r\t\x01\x7f", "🐈": 1},
    "numbers": {"int": 2**53, "huge": 2**70, "negative": -1, "float": 0.1, "tiny": 5e-324, "large": 1e300, "one": 1.0},
    "null": {"nothing": None},
    "long": {"text": "OPENQASM 3.0; ħ\n" * 12_500, "many": list(range(2000))},
}


def vectors(count: int, dimension: int, seed: int = 1) -> list[Vector]:
    """Random vectors of various lengths."""
    random = np.random.default_rng(seed)
    return list((random.normal(size=(count, dimension)) * random.uniform(0.5, 2, size=(count, 1))).astype(np.float32))


def ids_of(matches: Sequence[Match]) -> list[str]:
    return [match.record.id for match in matches]


class VectorStoreContract:
    @pytest.fixture
    def name(self) -> str:
        return f"test-{secrets.token_hex(8)}"

    @pytest.fixture
    def collection(self, store: VectorStore, name: str) -> Collection:
        """One of three dimensions, compared by Euclidean distance."""
        return store.collection(name, 3, "l2")

    def settled(self, condition: Callable[[], bool]) -> None:
        """Return once it is so; here a store shows a write at once."""
        assert condition()

    def write(self, collection: Collection, records: Sequence[Record]) -> None:
        """Write records, and return once they can be both fetched and found."""
        collection.upsert(records)
        last = {record.id: record for record in records}
        probe = next(iter(last.values())).vector
        self.settled(lambda: _same(collection.fetch(list(last)), last))
        self.settled(lambda: len(collection.query(probe, min(len(last), 1000))) == min(len(last), 1000))

    # -- writing and reading --------------------------------------------------------------------------------

    def test_what_was_written_is_fetched(self, collection: Collection) -> None:
        record = Record("a", np.array([1, 2.5, -3], np.float32), {"shots": 100})

        self.write(collection, [record])
        found = collection.fetch(["a", "b"])

        assert set(found) == {"a"}
        assert (found["a"].id, found["a"].payload) == ("a", {"shots": 100})
        assert found["a"].vector.dtype == np.float32
        assert found["a"].vector.tolist() == [1, 2.5, -3]

    def test_a_record_takes_the_place_of_the_one_with_its_id(self, collection: Collection) -> None:
        self.write(collection, [_record("a", 1, {"old": 1}), _record("b", 1)])

        self.write(collection, [_record("a", 2, {"new": 2})])

        assert collection.fetch(["a"])["a"].payload == {"new": 2}
        assert len(collection.query([1, 1, 1], 10)) == 2
        assert collection.query([1, 1, 1], 10, {"old": 1}) == []

    def test_writing_the_same_twice_changes_nothing(self, collection: Collection) -> None:
        records = [_record(str(number), number + 1) for number in range(30)]

        self.write(collection, records)
        self.write(collection, records)

        assert sorted(ids_of(collection.query([1, 1, 1], 100))) == sorted(record.id for record in records)

    @pytest.mark.parametrize("others", [0, 250], ids=["few", "many"])
    def test_of_several_with_one_id_the_last_stays(self, collection: Collection, others: int) -> None:
        rest = [_record(f"other-{number}", 9) for number in range(others)]

        self.write(collection, [_record("a", 1), _record("a", 2), *rest, _record("a", 3, {"last": True})])

        assert collection.fetch(["a"])["a"].vector.tolist() == [3, 3, 3]
        assert collection.fetch(["a"])["a"].payload == {"last": True}

    def test_what_was_deleted_is_not_there_and_what_never_was_is_no_error(self, collection: Collection) -> None:
        self.write(collection, [_record("a", 1), _record("b", 2)])

        collection.delete(["a", "unknown"])

        self.settled(lambda: set(collection.fetch(["a", "b"])) == {"b"})
        self.settled(lambda: ids_of(collection.query([1, 1, 1], 10)) == ["b"])

    def test_nothing_may_be_written_fetched_and_deleted(self, collection: Collection) -> None:
        collection.upsert([])
        collection.delete([])

        assert collection.fetch([]) == {}

    def test_a_new_collection_is_empty(self, store: VectorStore, name: str) -> None:
        assert store.collection(f"{name}-q", 3).query([1, 0, 0]) == []
        assert store.collection(f"{name}-f", 3).fetch(["a"]) == {}
        store.collection(f"{name}-d", 3).delete(["a"])

    @pytest.mark.parametrize("kind", PAYLOADS)
    def test_a_payload_comes_back_as_it_was(self, collection: Collection, kind: str) -> None:
        self.write(collection, [_record("a", 1, PAYLOADS[kind])])

        fetched = collection.fetch(["a"])["a"].payload
        [match] = collection.query([1, 1, 1])

        assert fetched == match.record.payload == PAYLOADS[kind]
        assert {key: type(value) for key, value in fetched.items()} == {
            key: type(value) for key, value in PAYLOADS[kind].items()
        }

    def test_many_come_back_as_they_were(self, store: VectorStore, name: str) -> None:
        collection = store.collection(name, 5)
        records = [Record(f"r{i}", vector, {"i": i}) for i, vector in enumerate(vectors(250, 5))]

        self.write(collection, records)

        found = collection.fetch([record.id for record in records])
        assert all(np.array_equal(found[record.id].vector, record.vector) for record in records)
        assert all(found[record.id].payload == record.payload for record in records)

    def test_ids_may_be_any_printable_ascii(self, collection: Collection) -> None:
        self.write(collection, [_record(odd, number + 1) for number, odd in enumerate(ODD_IDS)])

        assert set(collection.fetch(ODD_IDS)) == set(ODD_IDS)
        assert ids_of(collection.query([0.1, 0.1, 0.1], len(ODD_IDS))) == ODD_IDS
        collection.delete(ODD_IDS[::2])
        self.settled(lambda: set(collection.fetch(ODD_IDS)) == set(ODD_IDS[1::2]))

    # -- the nearest ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("metric", get_args(Metric))
    def test_the_nearest_come_first_with_their_scores(self, store: VectorStore, name: str, metric: Metric) -> None:
        collection, exact = (each.collection(name, 8, metric) for each in (store, ExactStore()))
        records = [Record(f"r{i}", vector, {"i": i}) for i, vector in enumerate(vectors(400, 8))]
        exact.upsert(records)
        self.write(collection, records)
        hits = 0

        for probe in vectors(10, 8, seed=2):
            matches, best = collection.query(probe, 10), exact.query(probe, 10)
            scores = [match.score for match in matches]
            assert len(matches) == 10
            assert scores == sorted(scores, reverse=True)
            assert scores == pytest.approx(
                [score(probe, match.record.vector, metric) for match in matches], abs=1e-4, rel=1e-4
            )
            assert all(match.record.payload == {"i": int(match.record.id[1:])} for match in matches)
            hits += len(set(ids_of(matches)) & set(ids_of(best)))

        assert hits >= 95  # of 100

    @pytest.mark.parametrize("metric", get_args(Metric))
    def test_the_metrics_differ(self, store: VectorStore, name: str, metric: Metric) -> None:
        collection = store.collection(name, 2, metric)
        written = {"same-direction": [0.5, 0.5], "near": [1.0, 0.8], "long": [3.0, 9.0]}
        self.write(collection, [Record(key, np.array(vector, np.float32)) for key, vector in written.items()])

        [best] = collection.query(np.array([1.0, 1.0]), 1)

        nearest = {
            "cosine": ("same-direction", 1.0),
            "l2": ("near", -0.2),
            "inner_product": ("long", 12.0),
        }
        expected, expected_score = nearest[metric]
        assert best.record.id == expected
        assert best.score == pytest.approx(expected_score, abs=1e-4)

    def test_more_may_be_asked_for_than_there_are(self, collection: Collection) -> None:
        self.write(collection, [_record(str(number), number) for number in range(1, 6)])

        assert ids_of(collection.query([1, 1, 1], 1000)) == ["1", "2", "3", "4", "5"]

    @pytest.mark.parametrize("top_k", [0, -1, 1001])
    def test_a_number_of_matches_that_cannot_be_is_refused(self, collection: Collection, top_k: int) -> None:
        with pytest.raises(VectorStoreRefusedError, match="1 to 1000"):
            collection.query([1, 1, 1], top_k)

    # -- filters --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("filter_", "expected"),
        [
            ({"backend": "simulator"}, {"a", "b"}),
            ({"backend": "sim"}, set()),
            ({"shots": 100}, {"a", "c"}),
            ({"shots": 100.0}, {"a", "c"}),
            ({"angle": 0.1}, {"b"}),
            ({"angle": -1.5}, {"c"}),
            ({"angle": 1}, {"a"}),
            ({"noisy": True}, {"a", "c"}),
            ({"noisy": False}, {"b"}),
            ({"noisy": 1}, set()),
            ({"shots": "100"}, set()),
            ({"backend": "simulator", "shots": 100}, {"a"}),
            ({"backend": "simulator", "shots": 100, "noisy": False}, set()),
            ({"unknown": 1}, set()),
            ({"größe": "ħ'\"\\"}, {"c"}),
            ({"large": 2**53}, {"b"}),
            ({}, {"a", "b", "c"}),
        ],
    )
    def test_a_filter_leaves_what_holds_all_of_it(
        self, filtered: Collection, filter_: Mapping[str, str | int | float | bool], expected: set[str]
    ) -> None:
        assert set(ids_of(filtered.query([1, 1, 1], 10, filter_))) == expected

    @pytest.fixture
    def filtered(self, collection: Collection) -> Collection:
        payloads: dict[str, dict[str, Any]] = {
            "a": {"backend": "simulator", "shots": 100, "angle": 1.0, "noisy": True},
            "b": {"backend": "simulator", "shots": 200, "angle": 0.1, "noisy": False, "large": 2**53},
            "c": {"backend": "qpu.aria-1", "shots": 100, "angle": -1.5, "noisy": True, "größe": "ħ'\"\\"},
        }
        self.write(
            collection, [_record(key, place + 1, payload) for place, (key, payload) in enumerate(payloads.items())]
        )
        return collection

    def test_a_filter_that_few_of_many_pass_still_fills_the_answer(self, store: VectorStore, name: str) -> None:
        collection, exact = (each.collection(name, 4, "l2") for each in (store, ExactStore()))
        records = [Record(f"r{i}", vector, {"rare": i % 50 == 0}) for i, vector in enumerate(vectors(1000, 4))]
        exact.upsert(records)
        self.write(collection, records)

        for probe in vectors(3, 4, seed=2):
            found = collection.query(probe, 20, {"rare": True})
            assert ids_of(found) == ids_of(exact.query(probe, 20, {"rare": True}))
            assert len(found) == 20

    @pytest.mark.parametrize(
        "filter_",
        [
            {"a": None},
            {"a": [1]},
            {"a": {"$gt": 1}},
            {"a": math.nan},
            {"a": 2**53 + 1},
            {"a": "x" * 501},
            {"$or": 1},
            {"a": "\ud800"},
            {"a": "\0"},
            {"a\0": 1},
            {"": 1},
        ],
        ids=ascii,
    )
    def test_a_filter_by_which_nothing_could_be_found_is_refused(self, collection: Collection, filter_: Any) -> None:
        with pytest.raises(VectorStoreRefusedError, match="A filter has"):
            collection.query([1, 1, 1], 10, filter_)

    # -- what is refused ------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "vector",
        [[1, 2], [1, 2, 3, 4], [[1, 2, 3]], 1, [], [1, 2, math.nan], [1, math.inf, 1], [1, 1e39, 1], [0, 0, 0],
         [1e-30, 0, 0], [1e30, 0, 0], "abc", [1, "a", 2], [[1], [2, 3], [4]], ["1", "2", "3"],
         np.array([1, 2, 3j]), None],
        ids=str,
    )  # fmt: skip
    def test_a_vector_that_cannot_be_kept_is_refused_before_anything_is_written(
        self, collection: Collection, vector: ArrayLike
    ) -> None:
        self.write(collection, [_record("there", 1)])

        with pytest.raises(VectorStoreRefusedError):
            collection.upsert([_record("fine", 1), Record("wrong", vector)])  # type: ignore[arg-type]  # the point
        with pytest.raises(VectorStoreRefusedError):
            collection.query(vector)

        assert set(collection.fetch(["there", "fine", "wrong"])) == {"there"}

    @pytest.mark.parametrize("wrong", ["", "x" * 513, "é", "a\n", "a\x00", "\x7f"], ids=ascii)
    def test_an_id_that_cannot_be_is_refused_before_anything_is_written(
        self, collection: Collection, wrong: str
    ) -> None:
        self.write(collection, [_record("there", 1)])

        with pytest.raises(VectorStoreRefusedError):
            collection.upsert([_record("fine", 1), _record(wrong, 2)])
        with pytest.raises(VectorStoreRefusedError):
            collection.fetch([wrong])
        with pytest.raises(VectorStoreRefusedError):
            collection.delete(["there", wrong])

        assert set(collection.fetch(["there", "fine"])) == {"there"}

    @pytest.mark.parametrize(
        "payload",
        [{"a": math.nan}, {"a": [math.inf]}, {"a": "\x00"}, {"a\x00": 1}, {"a": "\ud800"}, {1: "a"}, {"a": {1: 2}},
         {"a": {1, 2}}, {"a": (1, 2)}, {"a": np.float32(1)}],
        ids=ascii,
    )  # fmt: skip
    def test_a_payload_that_cannot_be_kept_is_refused_before_anything_is_written(
        self, collection: Collection, payload: Any
    ) -> None:
        self.write(collection, [_record("there", 1)])

        with pytest.raises(VectorStoreRefusedError, match="payload"):
            collection.upsert([_record("fine", 1), _record("wrong", 2, payload)])

        assert set(collection.fetch(["there", "fine", "wrong"])) == {"there"}

    @pytest.mark.parametrize("name", ["", "1a", "-a", "A", "a_b", "a" * 41, "a;b", "ä", "a b", "a\n"])
    def test_a_collection_of_a_name_that_cannot_be_is_a_wrong_value(self, store: VectorStore, name: str) -> None:
        with pytest.raises(ValueError, match="names no collection"):
            store.collection(name, 3)

    @pytest.mark.parametrize("dimension", [0, -1, 20_001])
    def test_a_dimension_that_cannot_be_is_a_wrong_value(self, store: VectorStore, dimension: int) -> None:
        with pytest.raises(ValueError, match="dimensions"):
            store.collection("a", dimension)

    def test_a_metric_that_is_none_is_a_wrong_value(self, store: VectorStore) -> None:
        with pytest.raises(ValueError, match="metric"):
            store.collection("a", 3, "manhattan")  # type: ignore[arg-type]  # the point

    # -- collections ----------------------------------------------------------------------------------------

    def test_collections_do_not_see_each_other(self, store: VectorStore, name: str) -> None:
        one, other = store.collection(f"{name}-1", 3), store.collection(f"{name}-2", 3)

        self.write(one, [_record("a", 1, {"of": "one"})])
        self.write(other, [_record("a", 2, {"of": "other"}), _record("b", 1)])
        one.delete(["b"])

        self.settled(lambda: set(other.fetch(["a", "b"])) == {"a", "b"})
        assert one.fetch(["a"])["a"].payload == {"of": "one"}
        assert ids_of(one.query([1, 1, 1])) == ["a"]

    @pytest.mark.parametrize("metric", get_args(Metric))
    def test_a_collection_that_is_there_is_found_with_its_dimension_and_metric(
        self, store: VectorStore, name: str, metric: Metric
    ) -> None:
        self.write(store.collection(name, 7, metric), [Record("a", np.ones(7, np.float32), {"k": 1})])

        found = store.existing(name)

        assert (found.name, found.dimension, found.metric) == (name, 7, metric)
        assert ids_of(found.query(np.ones(7))) == ["a"]

    @pytest.mark.parametrize("unknown", ["never-made", "No Name; DROP TABLE x", ""])
    def test_a_collection_that_is_not_there_is_refused(self, store: VectorStore, unknown: str) -> None:
        with pytest.raises(VectorStoreRefusedError, match="There is no collection"):
            store.existing(unknown)

    def test_a_collection_is_not_made_before_it_is_used(self, store: VectorStore, name: str) -> None:
        store.collection(name, 3)

        with pytest.raises(VectorStoreRefusedError, match="There is no collection"):
            store.existing(name)

    @pytest.mark.parametrize(("dimension", "metric"), [(4, "l2"), (3, "cosine")])
    def test_a_collection_of_another_dimension_or_metric_is_refused(
        self, store: VectorStore, collection: Collection, dimension: int, metric: Metric
    ) -> None:
        self.write(collection, [_record("a", 1)])
        other = store.collection(collection.name, dimension, metric)

        with pytest.raises(VectorStoreRefusedError, match=r"3 dimensions.*l2"):
            other.upsert([Record("a", np.ones(dimension, np.float32))])
        with pytest.raises(VectorStoreRefusedError, match=r"3 dimensions.*l2"):
            other.query(np.ones(dimension))

        assert collection.fetch(["a"])["a"].vector.tolist() == [1, 1, 1]

    def test_the_store_and_a_collection_answer(self, store: VectorStore, collection: Collection) -> None:
        store.ping()
        collection.ping()


def _record(id: str, value: float, payload: Mapping[str, Any] | None = None) -> Record:  # noqa: A002 - the record's word
    return Record(id, np.full(3, value, np.float32), payload or {})


def _same(found: Mapping[str, Record], written: Mapping[str, Record]) -> bool:
    """Whether the records are there as they were written; a payload is each test's own to look at."""
    return set(found) == set(written) and all(
        np.array_equal(found[key].vector, record.vector) for key, record in written.items()
    )
