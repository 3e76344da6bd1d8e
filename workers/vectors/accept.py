"""What every vector store takes, and none takes otherwise: each adapter asks here before it sends anything.

Invariant: whatever passes here, all of the stores can keep and give back as it was.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from qstore.errors import VectorStoreRefusedError
from workers.vectors.store import Filter, Metric, Record, Vector

TOP_K: Final = 1000  # matches of one query at most
LABEL_LENGTH: Final = 500  # characters of a string that matches can be filtered by, at most

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ID: Final = re.compile(r"[ -~]{1,512}")
_SAFE_INTEGER: Final = 2**53  # up to here a double holds every integer, and a store may keep numbers as doubles
_METRICS: Final[tuple[Metric, ...]] = ("cosine", "l2", "inner_product")


def collection(name: str, dimension: int, metric: str, largest: int) -> None:
    """Refuse what cannot be a collection of at most `largest` dimensions.

    Raises:
        ValueError: The name, the dimension or the metric is none.
    """
    if not named(name):
        raise ValueError(
            f"{name!r} names no collection: 1 to 40 lower-case letters, digits and hyphens, a letter first."
        )
    if not 1 <= dimension <= largest:
        raise ValueError(f"A collection has 1 to {largest} dimensions, not {dimension}.")
    if metric not in _METRICS:
        raise ValueError(f"There is no metric {metric!r}, only {', '.join(_METRICS)}.")


def named(name: str) -> bool:
    """Whether a collection may have this name."""
    return _NAME.fullmatch(name) is not None


def records(given: Sequence[Record], dimension: int) -> dict[str, tuple[Vector, str]]:
    """What is to be written: by id, the vector and the payload as JSON text, of several with one id the last.

    Raises:
        VectorStoreRefusedError: One of the records cannot be kept.
    """
    ids([record.id for record in given])
    return {record.id: (vector(record.vector, dimension), text(record.payload)) for record in given}


def ids(given: Sequence[str]) -> list[str]:
    """Ids, each once.

    Raises:
        VectorStoreRefusedError: One of them cannot be an id.
    """
    for each in given:
        if not _ID.fullmatch(each):
            raise VectorStoreRefusedError(f"{each[:60]!r} is no id: 1 to 512 printable ASCII characters.")
    return list(dict.fromkeys(given))


def vector(given: ArrayLike, dimension: int) -> Vector:
    """A vector in single precision, a copy of the caller's.

    One of length zero has no direction, and some stores keep none; one whose square is past single precision has no
    comparable length there.

    Raises:
        VectorStoreRefusedError: It has not as many components, or not all are finite, or its length is as above.
    """
    try:
        numbers = np.asarray(given)
    except ValueError as error:
        raise VectorStoreRefusedError(f"This is no vector: {error}.") from error
    if numbers.dtype.kind not in "biuf":  # text and complex numbers would be made to fit
        raise VectorStoreRefusedError("A vector's components are real numbers.")
    with np.errstate(over="ignore"):
        single = np.array(numbers, np.float32)
    if single.shape != (dimension,):
        raise VectorStoreRefusedError(f"A vector has {dimension} dimensions here; this one's shape is {single.shape}.")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        square = float(np.dot(single, single))
    if not np.finfo(np.float32).tiny <= square < math.inf:
        raise VectorStoreRefusedError("A vector is finite and not zero, and so is the square of its length.")
    return single


def text(payload: Mapping[str, Any]) -> str:
    """A payload as JSON text.

    Raises:
        VectorStoreRefusedError: It is not plain JSON, or holds what not all stores keep: U+0000, half a surrogate.
    """
    try:
        written = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        written.encode()
        same = json.loads(written) == dict(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise VectorStoreRefusedError(f"A payload is plain JSON: {error}.") from error
    if not same:
        raise VectorStoreRefusedError("A payload is plain JSON: keys are strings, and sequences are lists.")
    if "\\u0000" in written.replace("\\\\", ""):
        raise VectorStoreRefusedError("A payload holds no U+0000.")
    return written


def labels(payload: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """What a filter sees of a payload: short strings, numbers and truths at its top level."""
    return {key: value for key, value in payload.items() if _is_label(key, value)}


def asked(top_k: int, filter: Filter | None) -> dict[str, str | int | float | bool]:  # noqa: A002 - the protocol's word
    """The filter of a query.

    Raises:
        VectorStoreRefusedError: Nothing could be found by it, or `top_k` is not 1 to 1,000.
    """
    if not 1 <= top_k <= TOP_K:
        raise VectorStoreRefusedError(f"A query is for 1 to {TOP_K} matches, not for {top_k}.")
    wanted = dict(filter or {})
    for key, value in wanted.items():
        if not _is_label(key, value):
            raise VectorStoreRefusedError(
                f"A filter has strings of at most {LABEL_LENGTH} characters, finite numbers within 2**53, and truths; "
                f"its keys do not begin with $. This one's {key[:60]!r} does not fit."
            )
    return wanted


def _is_label(key: str, value: object) -> bool:
    if not 1 <= len(key) <= LABEL_LENGTH or key.startswith("$") or not _storable(key):
        return False
    if isinstance(value, str):
        return len(value) <= LABEL_LENGTH and _storable(value)
    if isinstance(value, int):  # truths are integers too
        return abs(value) <= _SAFE_INTEGER
    return isinstance(value, float) and math.isfinite(value)


def _storable(string: str) -> bool:
    return "\0" not in string and not any("\ud800" <= character <= "\udfff" for character in string)
