"""What `upsert_vectors` takes, and what it refuses before anything is sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qstore.errors import InvalidJobError, InvalidOptionError, InvalidVectorError, VectorStoreRefusedError
from qstore.vectors import MOST_VECTORS, read_vectors, upsert_vectors


def test_arrays_become_what_a_message_can_carry() -> None:
    read = read_vectors(("a", "b"), np.array([[1, 2], [3, 4]], np.float32), [{"n": 1}, {}], collection="digits")
    assert read == {
        "ids": ["a", "b"],
        "vectors": [[1.0, 2.0], [3.0, 4.0]],
        "payloads": [{"n": 1}, {}],
        "collection": "digits",
        "metric": "cosine",
    }


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ({"ids": ["a"], "vectors": [[1.0], [2.0]]}, InvalidJobError, "1 ids, 2 vectors and 1 payloads"),
        ({"ids": ["a"], "vectors": [[1.0]], "payloads": []}, InvalidJobError, "0 payloads"),
        ({"ids": [1], "vectors": [[1.0]]}, InvalidOptionError, "ids"),
        ({"ids": [], "vectors": []}, InvalidVectorError, "1 to 1,000"),
        ({"ids": ["a"] * (MOST_VECTORS + 1), "vectors": [[1.0]] * (MOST_VECTORS + 1)}, InvalidVectorError, "1,001"),
        ({"ids": ["a", "b"], "vectors": [[1.0], [1.0, 2.0]]}, InvalidVectorError, "one length"),
        ({"ids": ["a"], "vectors": ["x"]}, InvalidVectorError, "numbers"),
        ({"ids": ["a"], "vectors": [[]]}, InvalidVectorError, "shape"),
        ({"ids": ["a"], "vectors": [1.0]}, InvalidVectorError, "shape"),
        ({"ids": ["a"], "vectors": [[float("nan")]]}, InvalidVectorError, "finite"),
        ({"ids": ["a"], "vectors": [[1.0]], "payloads": [{"x": object()}]}, InvalidOptionError, "JSON"),
        ({"ids": ["a"], "vectors": [[1.0]], "metric": "hamming"}, InvalidOptionError, "metric"),
        ({"ids": ["a"], "vectors": [[1.0]], "collection": 7}, InvalidOptionError, "collection"),
        ({"ids": ["a"], "vectors": [[1.0]], "index": "x"}, InvalidJobError, "by name"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(call: dict[str, Any], error: type[Exception], said: str) -> None:
    # no Redis is up: whatever was sent would raise something else
    with pytest.raises(error, match=said):
        upsert_vectors.delay(**call)
    with pytest.raises(error, match=said):
        upsert_vectors(**call)


def test_a_worker_without_a_store_says_so() -> None:
    with pytest.raises(VectorStoreRefusedError, match="QSTORE_VECTOR_STORE"):
        upsert_vectors.apply(kwargs={"ids": ["a"], "vectors": [[1.0]]}).get()
