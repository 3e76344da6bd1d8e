"""A query for the nearest vectors, from the call to the ranked list: its circuits are a chord, and fill batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from celery import chain
from celery.exceptions import ChordError

from digits import FeatureMap
from integration.canvas import near, plain
from integration.canvas.books import Bought
from integration.canvas.ears import Ears
from integration.canvas.sources import WITHIN
from qstore import errors, rank_vectors


def asked(name: str) -> Any:
    """The first vector of a collection, which others are compared with."""
    return near.records(name, 1)[0].vector


@pytest.fixture(scope="module")
def answered(sandbox: Any) -> dict[str, Any]:  # noqa: ARG001 - where it is answered
    answer: dict[str, Any] = rank_vectors.delay(asked("many"), 10, 20, collection="many", shots=5000).get(WITHIN)
    return answer


def test_the_list_is_in_the_order_of_what_was_measured(answered: dict[str, Any]) -> None:
    vectors = answered["vectors"]
    fidelities = [vector["fidelity"] for vector in vectors]
    assert fidelities == sorted(fidelities, reverse=True)
    assert [vector["rank"] for vector in vectors] == list(range(1, 11))
    assert (vectors[0]["id"], vectors[0]["fidelity"], vectors[0]["payload"]) == ("many-0", 1.0, {"even": True})


def test_each_fidelity_and_each_score_is_its_own_vector_s(answered: dict[str, Any]) -> None:
    stored = {record.id: record.vector for record in near.records("many", near.SIZES["many"])}
    distances = {name: float(np.linalg.norm(vector - asked("many"))) for name, vector in stored.items()}
    order = sorted(distances, key=lambda name: distances[name])
    assert {vector["id"] for vector in answered["vectors"]} <= {*order[:20]}
    for vector in answered["vectors"]:
        exact = FeatureMap("product", 1, 1.0).kernel(asked("many")[None], stored[vector["id"]][None])[0, 0]
        assert vector["fidelity"] == pytest.approx(exact, abs=0.05)
        assert vector["similarity"] == pytest.approx(-distances[vector["id"]], abs=1e-6)
        assert vector["classical_rank"] == order.index(vector["id"]) + 1


def test_a_second_query_is_answered_by_the_cache(answered: dict[str, Any], bought: Bought) -> None:
    again = rank_vectors.delay(asked("many"), 10, 20, collection="many", shots=5000).get(WITHIN)
    assert again["vectors"] == answered["vectors"]
    assert again["circuits"]["cached"] == again["candidates"] == 20
    assert bought() == {"jobs_accepted": 0, "circuits_accepted": 0}


@pytest.mark.parametrize(("collection", "found"), [("single", 1), ("none", 0)])
def test_as_many_are_ranked_as_there_are(answered: dict[str, Any], collection: str, found: int) -> None:  # noqa: ARG001 - it is over by then
    answer = rank_vectors.delay([0.1] * near.DIMENSION, collection=collection).get(WITHIN)
    assert [vector["rank"] for vector in answer["vectors"]] == list(range(1, found + 1))
    assert answer["candidates"] == sum(answer["circuits"].values()) == found


def test_a_query_is_a_task_like_any_other_in_a_canvas() -> None:
    question = rank_vectors.si(asked("many"), 1, 2, collection="many", shots=100, filter={"even": True})
    answer = chain(question, plain.give.s()).apply_async().get(timeout=WITHIN)
    assert [vector["id"] for vector in answer["vectors"]] == ["many-0"]
    assert answer["candidates"] == 2


def test_what_does_not_fit_the_store_fails_with_its_own_error() -> None:
    with pytest.raises(errors.VectorStoreRefusedError, match="nowhere"):
        rank_vectors.delay([0.1] * near.DIMENSION, collection="nowhere").get(WITHIN)
    with pytest.raises(errors.InvalidVectorError, match="have 4 components, and this one has 3"):
        rank_vectors.delay([0.1, 0.2, 0.3], collection="many").get(WITHIN)


@pytest.mark.usefixtures("fault")
def test_a_circuit_that_fails_fails_the_query_as_chords_do() -> None:
    result = rank_vectors.delay([0.3, 0.1, 0.2, 0.4], 2, 2, collection="many", reuse="never")
    with pytest.raises(ChordError, match="raised IonQJobFailedError"):
        result.get(WITHIN)
    assert result.state == "FAILURE"


def test_the_circuits_of_a_query_fill_batches(bought: Bought) -> None:
    rank_vectors.delay(asked("more") + 0.01, 5, 30, collection="more", shots=100).get(WITHIN)
    assert bought() == {"jobs_accepted": 3, "circuits_accepted": 30}


def test_flower_shows_the_query_as_what_it_is_from_its_first_message_to_its_last(ears: Ears) -> None:
    query = rank_vectors.delay(asked("many"), 3, 5, collection="many", shots=100)
    query.get(WITHIN)
    ears.hear("task-succeeded", query.id)
    told = {(each["name"], each["args"]) for each in ears.heard("task-received", query.id)}
    assert told == {("qstore.rank_vectors", "many · 4 dimensions · 3 of 5")}
    assert len(ears.heard("task-received", query.id)) == 2
