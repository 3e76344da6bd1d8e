"""Vectors in the worker's memory, ranked there, loaded with `-I`: they stand in for the vector store of a replica."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from exact_store import ExactStore
from qstore.ranking import rank_vectors
from workers.ranking import Ranking
from workers.vectors.store import Record

DIMENSION = 4


def records(name: str, count: int) -> list[Record]:
    """Vectors that depend on nothing but the collection's name."""
    components = np.random.default_rng([*name.encode()]).normal(size=(count, DIMENSION)).astype(np.float32)
    return [Record(f"{name}-{place}", each, {"even": place % 2 == 0}) for place, each in enumerate(components)]


def _stocked() -> ExactStore:
    store = ExactStore()
    for name, count in SIZES.items():
        collection = store.collection(name, DIMENSION, "l2")
        collection.upsert(records(name, count))
    return store


SIZES = {"many": 60, "more": 60, "single": 1, "none": 0}
"""Collections, and how many vectors each of them holds."""

rank_vectors.work = Ranking(_stocked(), nullcontext).rank
