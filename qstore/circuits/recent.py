"""What was used last, as far as there is room.

The invariant: there are never more things, and they never weigh more together, than is allowed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the things used last. Safe in threads.

    Args:
        capacity: How many.
        capacity_weight: How much they may weigh together.
        weigh: What one weighs; always the same for the same one.

    Attributes:
        weight: What they weigh together.
    """

    def __init__(self, capacity: int, capacity_weight: int, weigh: Callable[[V], int]) -> None:
        self.weight = 0
        self._capacity = capacity
        self._capacity_weight = capacity_weight
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """What is kept under a key, which is used by that."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Keep a thing, in place of what its key had, and let go of those that were not used for longest."""
        with self._lock:
            if key in self._kept:
                self._let_go(key)
            self._kept[key] = value
            self.weight += self._weigh(value)
            while len(self._kept) > self._capacity or self.weight > self._capacity_weight:
                self._let_go(next(iter(self._kept)))

    def forget(self, key: K, is_over: Callable[[V], bool]) -> None:
        """Let go of what is kept under a key, if it is over."""
        with self._lock:
            if key in self._kept and is_over(self._kept[key]):
                self._let_go(key)

    def _let_go(self, key: K) -> None:
        self.weight -= self._weigh(self._kept.pop(key))
