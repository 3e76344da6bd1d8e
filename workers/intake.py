"""Does what `upsert_vectors` asks: writes vectors that a service sent into the store.

Invariant: writing is idempotent, so a message that is delivered twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from qstore.errors import InvalidOptionError
from qstore.vectors import read_vectors
from workers.vectors.store import Record, VectorStore


class Intake:
    """Takes vectors in.

    Args:
        store: Where to.
        guard: Held around each call of the store; it may refuse one by raising `BreakerOpen`.
    """

    def __init__(self, store: VectorStore, guard: Callable[[], AbstractContextManager[object]]) -> None:
        self._store = store
        self._guard = guard

    def upsert(self, *args: Any, **kwargs: Any) -> int:
        """Write them; returns how many.

        Raises:
            InvalidJobError: The arguments make no sense, or there can be no such collection.
            VectorStoreRefusedError: The store does not take them.
            TransientError: It does not answer.
        """
        read = read_vectors(*args, **kwargs)
        vectors = np.asarray(read["vectors"], np.float32)
        records = [
            Record(name, vector, payload)
            for name, vector, payload in zip(read["ids"], vectors, read["payloads"], strict=True)
        ]
        try:
            collection = self._store.collection(read["collection"], vectors.shape[1], read["metric"])
        except ValueError as error:
            raise InvalidOptionError(str(error)) from error
        with self._guard():
            collection.upsert(records)
        return len(records)
