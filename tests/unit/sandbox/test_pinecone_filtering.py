"""Filters over metadata, as the Pinecone stand-in has them."""

from __future__ import annotations

from typing import Any

import pytest

from qstore.sandbox.pinecone.filtering import read_filter
from qstore.sandbox.pinecone.record import Metadata
from qstore.sandbox.pinecone.refusal import Refusal

METADATA: Metadata = {"genre": "drama", "year": 2020.0, "seen": True, "tags": ["a", "b"]}


@pytest.mark.parametrize(
    ("filter_", "passes"),
    [
        ({}, True),
        ({"genre": "drama"}, True),
        ({"genre": "comedy"}, False),
        ({"genre": {"$eq": "drama"}}, True),
        ({"genre": {"$ne": "drama"}}, False),
        ({"genre": {"$ne": "comedy"}}, True),
        ({"year": 2020}, True),
        ({"year": "2020"}, False),
        ({"seen": True}, True),
        ({"seen": 1}, False),
        ({"seen": False}, False),
        ({"tags": "a"}, True),
        ({"tags": "c"}, False),
        ({"tags": {"$in": ["c", "b"]}}, True),
        ({"genre": {"$in": ["drama", "comedy"]}}, True),
        ({"genre": {"$in": []}}, False),
        ({"genre": {"$nin": ["comedy"]}}, True),
        ({"genre": {"$nin": ["drama"]}}, False),
        ({"unknown": {"$ne": 1}}, True),
        ({"unknown": 1}, False),
        ({"unknown": {"$exists": False}}, True),
        ({"genre": {"$exists": True}}, True),
        ({"genre": {"$exists": False}}, False),
        ({"genre": "drama", "year": 2021}, False),
        ({"$and": [{"genre": "drama"}, {"year": 2020}]}, True),
        ({"$and": [{"genre": "drama"}, {"year": 2021}]}, False),
        ({"$or": [{"genre": "comedy"}, {"year": 2020}]}, True),
        ({"$or": [{"genre": "comedy"}, {"year": 2021}]}, False),
        ({"genre": {"$eq": "drama", "$in": ["comedy"]}}, False),
    ],
)
def test_metadata_passes_a_filter_or_does_not(filter_: dict[str, Any], passes: bool) -> None:
    assert read_filter(filter_)(METADATA) is passes


@pytest.mark.parametrize(
    "filter_",
    [
        [],
        "genre",
        {"genre": {"$like": "d"}},
        {"$not": {}},
        {"genre": None},
        {"genre": ["drama"]},
        {"genre": {"$in": "drama"}},
        {"genre": {"$in": ["x"] * 10_001}},
        {"genre": {"$in": [None]}},
        {"$and": []},
        {"$and": {"genre": "drama"}},
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_filter_is_refused(filter_: Any) -> None:
    with pytest.raises(Refusal) as caught:
        read_filter(filter_)

    assert caught.value.status == 400
