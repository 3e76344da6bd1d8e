from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from qstore import errors, rank_vectors
from qstore.ranking import Candidate, put_in_order, rank_candidates, read_query


def result(zeros: int, source: str = "executed", quantum_seconds: float | None = 0.5, usd: float | None = 0.01) -> Any:
    """Of a circuit that gave so many zeros in 100 shots, as far as the order asks for it."""
    cost = {"quantum_seconds": quantum_seconds, "usd": usd}
    return {"counts": {"00": zeros, "11": 100 - zeros}, "source": source, "cost": cost}


def candidates(*names: str) -> list[Candidate]:
    return [Candidate(id=name, similarity=-float(place), payload={"of": name}) for place, name in enumerate(names)]


# -- the answer ---------------------------------------------------------------------------------------------


def test_candidates_stand_by_fidelity_and_know_where_they_stood_before() -> None:
    answer = put_in_order([result(10), result(90), result(50)], candidates("a", "b", "c"), 2, "compute_uncompute")
    assert answer["vectors"] == [
        {"id": "b", "similarity": -1.0, "payload": {"of": "b"}, "rank": 1, "classical_rank": 2, "fidelity": 0.9},
        {"id": "c", "similarity": -2.0, "payload": {"of": "c"}, "rank": 2, "classical_rank": 3, "fidelity": 0.5},
    ]
    assert answer["candidates"] == 3
    assert json.loads(json.dumps(answer)) == answer


def test_equals_stand_as_the_store_has_them() -> None:
    answer = put_in_order([result(50), result(50), result(60)], candidates("a", "b", "c"), 3, "compute_uncompute")
    assert [vector["id"] for vector in answer["vectors"]] == ["c", "a", "b"]


def test_a_swap_test_is_read_as_one() -> None:
    answer = put_in_order([result(80)], candidates("a"), 1, "swap_test")
    assert answer["vectors"][0]["fidelity"] == pytest.approx(0.6)


def test_it_is_counted_where_circuits_were_answered_from_and_added_up_what_they_cost() -> None:
    results = [result(1), result(2, "cached", 0.0, 0.0), result(3, "joined", 0.0, 0.0), result(4)]
    answer = put_in_order(results, candidates(*"abcd"), 4, "compute_uncompute")
    assert answer["circuits"] == {"executed": 2, "joined": 1, "cached": 1, "banked": 0, "archived": 0}
    assert answer["cost"] == {"quantum_seconds": 1.0, "usd": pytest.approx(0.02)}


def test_a_cost_that_is_not_known_is_not_guessed() -> None:
    answer = put_in_order([result(1), result(2, usd=None)], candidates("a", "b"), 2, "compute_uncompute")
    assert answer["cost"] == {"quantum_seconds": 1.0, "usd": None}


def test_nothing_found_is_an_empty_list() -> None:
    answer = put_in_order([], [], 10, "compute_uncompute")
    assert answer["vectors"] == []
    assert answer["cost"] == {"quantum_seconds": 0.0, "usd": 0.0}


def test_the_end_of_a_query_gets_its_candidates_before_the_results() -> None:
    known, results = candidates("a", "b"), [result(10), result(90)]
    answer = rank_candidates.run([known, *results], 1, "compute_uncompute")
    assert answer == put_in_order(results, known, 1, "compute_uncompute")


# -- the question -------------------------------------------------------------------------------------------


def test_a_query_travels_as_plain_json_and_means_the_same_there() -> None:
    given: dict[str, Any] = {
        "candidates": np.int64(40),
        "collection": "images",
        "filter": {"kind": "cat", "old": True},
        "method": "swap_test",
        "scale": np.float32(0.5),
        "shots": np.int32(200),
        "seed": 7,
    }
    query = read_query(np.array([0.1, 0.2]), 5, **given)
    sent = query.to_arguments()
    assert json.loads(json.dumps(sent)) == sent
    assert read_query(**sent).to_arguments() == sent
    assert (query.top_k, query.candidates, query.options) == (5, 40, {"shots": 200, "seed": 7})
    assert query.vector == np.array([0.1, 0.2], np.float32).tolist()


def test_a_signature_with_an_array_can_travel_in_another_message() -> None:
    signature = rank_vectors.s(np.array([0.5, 1.0]), top_k=np.int64(3))
    assert json.loads(json.dumps(signature))["args"] == [[0.5, 1.0]]


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no vector": ({"vector": None}, errors.InvalidVectorError, "a list of at least one number"),
    "not finite": ({"vector": [1.0, math.nan]}, errors.InvalidVectorError, "Component 1"),
    "too long": ({"vector": [1.0] * 30}, errors.InvalidVectorError, "simulator has 29"),
    "too long to swap": ({"vector": [1.0] * 15, "method": "swap_test"}, errors.InvalidVectorError, "31 qubits"),
    "too long there": ({"vector": [1.0] * 26, "backend": "qpu.aria-1"}, errors.InvalidVectorError, "25"),
    "none wanted": ({"top_k": 0}, errors.InvalidOptionError, "top_k"),
    "more than there are": ({"top_k": 31}, errors.InvalidOptionError, "from 1 to 30"),
    "too many": ({"candidates": 1001}, errors.InvalidOptionError, "candidates"),
    "half a one": ({"candidates": 10.5}, errors.InvalidOptionError, "candidates"),
    "a truth": ({"candidates": True, "top_k": 1}, errors.InvalidOptionError, "candidates"),
    "no name": ({"collection": ""}, errors.InvalidOptionError, "collection"),
    "no filter": ({"filter": ["kind"]}, errors.InvalidOptionError, "filter"),
    "a deep filter": ({"filter": {"kind": {"$in": [1]}}}, errors.InvalidOptionError, "filter"),
    "no method": ({"method": "cosine"}, errors.InvalidOptionError, "method"),
    "no scale": ({"scale": 0}, errors.InvalidOptionError, "scale"),
    "no end of scale": ({"scale": math.inf}, errors.InvalidOptionError, "scale"),
    "no shots": ({"shots": 0}, errors.InvalidShotsError, "shots"),
    "no such option": ({"topk": 3}, errors.UnknownOptionError, "topk"),
    "no such backend": ({"backend": "abacus"}, errors.UnknownBackendError, "abacus"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_asked_for_raises_where_it_is_asked(what: str) -> None:
    given, error, said = WRONG[what]
    with pytest.raises(error, match=said):
        rank_vectors.delay(**{"vector": [1.0, 2.0], **given})


def test_what_has_no_name_is_three_things_at_most() -> None:
    with pytest.raises(errors.InvalidJobError, match="by name"):
        rank_vectors.delay([1.0], 1, 2, "vectors")
