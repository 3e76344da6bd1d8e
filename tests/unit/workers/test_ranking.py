from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from exact_store import ExactStore
from qstore.circuits.canonical import fingerprint
from qstore.circuits.codec import decode
from qstore.circuits.fidelity import compute_uncompute
from qstore.errors import BreakerOpen, InvalidVectorError, VectorStoreRefusedError
from qstore.ranking import rank_vectors
from workers.ranking import Ranking
from workers.vectors.store import Record

LONG = "x" * 10_000


class Guard:
    """Counts what is asked of the store, and whether that was allowed."""

    def __init__(self) -> None:
        self.open = False
        self.held = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self.open:
            raise BreakerOpen("The store's breaker is open.", 3.0)
        self.held += 1
        yield


@pytest.fixture
def guard() -> Guard:
    return Guard()


@pytest.fixture
def ranking(guard: Guard) -> Ranking:
    store = ExactStore()
    vectors = np.random.default_rng(4).normal(size=(12, 3)).astype(np.float32)
    store.collection("vectors", 3, "l2").upsert(
        [Record(f"v{place}", vector, {"long": LONG, "odd": place % 2}) for place, vector in enumerate(vectors)]
    )
    store.collection("empty", 3).upsert([])
    return Ranking(store, guard)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the running task would have replaced itself by."""
    canvases: list[Any] = []
    monkeypatch.setattr(rank_vectors, "replace", canvases.append)
    return canvases


def test_a_circuit_for_each_candidate_is_submitted_as_the_query_says(ranking: Ranking, replaced: list[Any]) -> None:
    asked = np.array([0.1, -0.2, 0.3], np.float32)
    ranking.rank(asked, 2, 5, scale=0.5, shots=77, reuse="never")
    ((known, *circuits),) = [canvas.tasks for canvas in replaced]
    candidates = known.args[0]
    assert [each["similarity"] for each in candidates] == sorted(
        (each["similarity"] for each in candidates), reverse=True
    )
    assert len(candidates) == len(circuits) == 5
    stored = ranking._store.existing("vectors").fetch([each["id"] for each in candidates])
    for candidate, circuit in zip(candidates, circuits, strict=True):
        assert circuit.task == "qstore.submit_circuit"
        assert circuit.kwargs == {"shots": 77, "reuse": "never"}
        one, other = sorted([asked.tolist(), stored[candidate["id"]].vector.tolist()])
        assert fingerprint(decode(circuit.args[0])) == fingerprint(compute_uncompute(one, other, 0.5))


def test_no_circuit_s_message_carries_what_is_known_of_candidates(ranking: Ranking, replaced: list[Any]) -> None:
    ranking.rank([0.1, -0.2, 0.3], 2, 5)
    (canvas,) = replaced
    known, *circuits = canvas.tasks
    assert LONG in json.dumps(known)
    assert LONG not in json.dumps([canvas.body, circuits])


def test_fewer_candidates_than_asked_for_are_all_there_are(ranking: Ranking, replaced: list[Any]) -> None:
    ranking.rank([0.1, -0.2, 0.3])
    assert len(replaced[0].tasks) == 1 + 12


def test_candidates_are_those_that_the_filter_lets_through(ranking: Ranking, replaced: list[Any]) -> None:
    ranking.rank([0.1, -0.2, 0.3], filter={"odd": 1})
    known, *circuits = replaced[0].tasks
    assert {each["payload"]["odd"] for each in known.args[0]} == {1}
    assert len(circuits) == 6


def test_an_empty_collection_is_an_empty_list_and_no_chord(ranking: Ranking, replaced: list[Any]) -> None:
    assert ranking.rank([0.1, -0.2, 0.3], collection="empty")["vectors"] == []
    assert not replaced


def test_a_vector_of_another_dimension_is_named_before_the_store_is_searched(ranking: Ranking, guard: Guard) -> None:
    with pytest.raises(InvalidVectorError, match="have 3 components, and this one has 2"):
        ranking.rank([0.1, 0.2])
    assert guard.held == 1


def test_what_the_store_refuses_is_the_query_s_error(ranking: Ranking) -> None:
    with pytest.raises(VectorStoreRefusedError, match="nowhere"):
        ranking.rank([0.1, 0.2, 0.3], collection="nowhere")


def test_a_store_that_is_given_up_is_not_asked(ranking: Ranking, guard: Guard) -> None:
    guard.open = True
    with pytest.raises(BreakerOpen):
        ranking.rank([0.1, 0.2, 0.3])
