"""`upsert_vectors`: vectors into the store, for `rank_vectors` to look among, from a service that cannot reach it.

Replicas write them. Invariant: what is no vector is refused before it is sent.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.app import app
from qstore.errors import InvalidJobError, InvalidOptionError, InvalidVectorError
from qstore.worker_task import WorkerTask

MOST_VECTORS = 1000
"""Vectors of one call; whoever has many more writes them to the store itself: see `workers.vectors`."""

_METRICS = ("cosine", "l2", "inner_product")


class UpsertVectors(WorkerTask):
    """Write vectors, each in the place of the one with its id; returns how many.

    Args:
        ids: One for each vector, 1 to 512 printable ASCII characters.
        vectors: Real numbers, all of one dimension; at most 1,000 vectors.
        payloads: What is known of each, plain JSON; None for nothing.
        collection: Where to; 1 to 40 lower-case letters, digits and hyphens. Made if it is not there.
        metric: How near two of them are: `cosine` (default), `l2`, `inner_product`.

    Raises:
        InvalidVectorError: They are no vectors of one dimension.
        InvalidJobError: The call makes no sense in another way.
        VectorStoreRefusedError: The store does not take them: the collection has another dimension or metric.
        VectorStoreUnavailableError: The store does not answer; `BreakerOpen` where it is not asked for that reason.
        StoreUnavailableError: Redis does not answer.
    """

    name = "qstore.upsert_vectors"

    def message(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        """See `read_vectors`."""
        read = read_vectors(*args, **kwargs)
        return read, f"{read['collection']} · {len(read['ids'])} vectors"


def read_vectors(
    ids: Any = (),
    vectors: Any = (),
    payloads: Any = None,
    *rest: Any,
    collection: Any = "vectors",
    metric: Any = "cosine",
    **unknown: Any,
) -> dict[str, Any]:
    """Check the arguments of a call of `upsert_vectors`, where they are described.

    Returns:
        The same, as a message can carry them.

    Raises:
        InvalidVectorError: The vectors are none.
        InvalidJobError: Another argument is impossible.
    """
    if rest or unknown:
        raise InvalidJobError("upsert_vectors takes ids, vectors and payloads, and by name collection and metric.")
    if not isinstance(collection, str):
        raise InvalidOptionError(f"collection must be a text, not {collection!r}.")
    if metric not in _METRICS:
        raise InvalidOptionError(f"metric must be one of {', '.join(map(repr, _METRICS))}, not {metric!r}.")
    names, rows = list(ids), _rows(vectors)
    if not all(isinstance(each, str) for each in names):
        raise InvalidOptionError("ids must be texts.")
    known = [{}] * len(names) if payloads is None else list(payloads)
    if not len(names) == len(rows) == len(known):
        raise InvalidJobError(f"{len(names)} ids, {len(rows)} vectors and {len(known)} payloads do not go together.")
    try:
        json.dumps(known, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"payloads must be plain JSON: {error}.") from error
    return {"ids": names, "vectors": rows.tolist(), "payloads": known, "collection": collection, "metric": metric}


def _rows(vectors: Any) -> NDArray[np.float64]:
    try:
        rows = np.asarray(vectors, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidVectorError(f"vectors must be lists of numbers, all of one length: {error}.") from error
    if not 0 < len(rows) <= MOST_VECTORS:
        raise InvalidVectorError(f"1 to {MOST_VECTORS:,} vectors go into one call, not {len(rows):,}.")
    if math.prod(rows.shape[1:]) == 0 or rows.ndim != 2:  # noqa: PLR2004 - a list of lists
        raise InvalidVectorError(f"vectors must be lists of numbers, all of one length; their shape is {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InvalidVectorError("vectors hold finite numbers only.")
    return rows


upsert_vectors = app.register_task(UpsertVectors())
