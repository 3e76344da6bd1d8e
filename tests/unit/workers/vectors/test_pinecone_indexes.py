"""Indexes that no collection is kept in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pinecone.models.indexes.index import IndexModel

from qstore.errors import VectorStoreRefusedError
from workers.vectors.pinecone_indexes import kind


def model(**fields: Any) -> IndexModel:
    """An index as the control plane describes it."""
    document = {
        "name": "qstore-a",
        "status": {"ready": True, "state": "Ready"},
        "schema": {"fields": fields},
        "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
        "deletion_protection": "disabled",
    }
    return msgspec.convert(document, IndexModel)


DENSE = {"type": "dense_vector", "dimension": 3, "metric": "euclidean"}
SPARSE = {"type": "sparse_vector"}


def test_an_index_of_dense_vectors_has_a_dimension_and_a_metric() -> None:
    assert kind("a", model(_values=DENSE)) == (3, "l2")


@pytest.mark.parametrize("fields", [{}, {"_sparse_values": SPARSE}, {"one": DENSE, "other": DENSE}], ids=len)
def test_an_index_of_anything_else_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(VectorStoreRefusedError, match="none of dense vectors"):
        kind("a", model(**fields))
