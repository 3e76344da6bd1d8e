"""Vectors that a service sends stand in the store, each once, however often the message comes."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from exact_store import ExactStore
from qstore.errors import InvalidOptionError, VectorStoreRefusedError
from workers.intake import Intake


def test_vectors_are_written_and_written_again_in_their_places() -> None:
    store = ExactStore()
    intake = Intake(store, nullcontext)
    for label in ("old", "new"):
        assert (
            intake.upsert(["a", "b"], [[1, 2, 3], [4, 5, 6]], [{"label": label}, {}], collection="l", metric="l2") == 2
        )
    collection = store.existing("l")
    assert (collection.dimension, collection.metric) == (3, "l2")
    kept = {match.record.id: match.record for match in collection.query([1, 2, 3], 10)}
    assert {name: (record.vector.tolist(), record.payload) for name, record in kept.items()} == {
        "a": ([1.0, 2.0, 3.0], {"label": "new"}),
        "b": ([4.0, 5.0, 6.0], {}),
    }


def test_a_name_that_no_collection_can_have_is_the_caller_s_fault() -> None:
    with pytest.raises(InvalidOptionError, match="names no collection"):
        Intake(ExactStore(), nullcontext).upsert(["a"], [[1.0]], collection="Not A Name")


def test_another_dimension_than_the_collection_s_is_refused() -> None:
    intake = Intake(ExactStore(), nullcontext)
    intake.upsert(["a"], [[1.0, 2.0]])
    with pytest.raises(VectorStoreRefusedError, match="2 dimensions"):
        intake.upsert(["b"], [[1.0, 2.0, 3.0]])
