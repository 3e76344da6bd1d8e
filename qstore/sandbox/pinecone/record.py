"""A record: an id, a vector and flat metadata, all within the service's limits."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.sandbox.pinecone.reading import read_id
from qstore.sandbox.pinecone.refusal import Refusal

_MOST_RECORDS = 1000  # of one upsert
_LONGEST_METADATA = 40 * 1024  # bytes

Scalar = str | float | bool
Metadata = dict[str, Scalar | list[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One record.

    Attributes:
        id: Its name within a namespace.
        values: Its vector.
        metadata: Text, numbers, flags and lists of text by name; every number is a double.
        size: Bytes it takes, about.
    """

    id: str
    values: NDArray[np.float32]
    metadata: Metadata
    size: int

    def document(self, *, values: bool, metadata: bool) -> dict[str, Any]:
        """It as JSON, with what is wanted of it."""
        shown: dict[str, Any] = {"id": self.id, "values": self.values.tolist() if values else []}
        if metadata and self.metadata:
            shown["metadata"] = self.metadata
        return shown


def read_records(found: Any, dimension: int) -> list[Record]:
    """The records of an upsert.

    Args:
        found: What was sent.
        dimension: Components each vector has to have.

    Raises:
        Refusal: One of them cannot be taken; then none is.
    """
    if not isinstance(found, list) or not found:
        raise Refusal(400, "vectors must be a list of at least one vector")
    if len(found) > _MOST_RECORDS:
        raise Refusal(400, f"Number of vectors {len(found)} exceeds the maximum of {_MOST_RECORDS} per upsert")
    return [_read_record(each, dimension) for each in found]


def read_vector(found: Any, dimension: int) -> NDArray[np.float32]:
    """A vector.

    Raises:
        Refusal: It is none of so many components.
    """
    if not isinstance(found, list) or not all(isinstance(each, int | float) for each in found):
        raise Refusal(400, "values: invalid value for type TYPE_FLOAT")
    if len(found) != dimension:
        raise Refusal(400, f"Vector dimension {len(found)} does not match the dimension of the index {dimension}")
    vector = np.array(found, np.float32)
    if not np.isfinite(vector).all():
        raise Refusal(400, "values: a component is not a finite number of single precision")
    return vector


def _read_record(found: Any, dimension: int) -> Record:
    if not isinstance(found, dict):
        raise Refusal(400, "vectors: each is an object")
    if "sparseValues" in found:
        raise Refusal(400, "Index configuration does not support sparse values")
    name = read_id(found.get("id"))
    values = read_vector(found.get("values"), dimension)
    if not values.any():
        raise Refusal(400, "Dense vectors must contain at least one non-zero value.")
    metadata = _read_metadata(found.get("metadata") or {})
    length = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if length > _LONGEST_METADATA:
        raise Refusal(
            400, f"Metadata size is {length} bytes, which exceeds the limit of {_LONGEST_METADATA} bytes per vector"
        )
    return Record(name, values, metadata, len(name) + values.nbytes + length)


def _read_metadata(found: Any) -> Metadata:
    if not isinstance(found, dict):
        raise Refusal(400, "metadata: not an object")
    return {name: _read_value(name, value) for name, value in found.items() if value is not None}


def _read_value(name: str, value: Any) -> Scalar | list[str]:
    if name.startswith("$"):
        raise Refusal(400, f"Metadata key '{name[:60]}' must not start with $")
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    said = json.dumps(value, ensure_ascii=False)[:16]
    raise Refusal(
        400, f"Metadata value must be a string, number, boolean or list of strings, got '{said}...' for field '{name}'"
    )
