"""An index: what it was made with, where it is, and its namespaces."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qstore.sandbox.pinecone.namespace import Namespace
from qstore.sandbox.pinecone.refusal import Refusal

_MOST_NAMESPACES = 1000
_DEFAULT = "__default__"  # another name of the one without a name


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """One index.

    Attributes:
        name: Its name.
        dimension: Components of each vector.
        metric: `cosine`, `euclidean` or `dotproduct`.
        deployment: Where it was asked to be.
        lag: Seconds after which a write shows.
        clock: Seconds on a clock that never goes back.
        ready_at: When, by that clock, it can be used.
        place: What tells it from every other, one of the same name included; the end of its host.
        namespaces: By name.
    """

    name: str
    dimension: int
    metric: str
    deployment: dict[str, Any]
    lag: float
    clock: Callable[[], float]
    ready_at: float
    place: str = field(init=False)
    namespaces: dict[str, Namespace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", f"{self.name}-{secrets.token_hex(4)}")

    @property
    def ready(self) -> bool:
        """Whether it can be used by now."""
        return self.clock() >= self.ready_at

    @property
    def size(self) -> int:
        """Bytes of all its records, about."""
        return sum(each.size for each in self.namespaces.values())

    def namespace(self, name: str) -> Namespace | None:
        """A namespace that something was written to."""
        return self.namespaces.get("" if name == _DEFAULT else name)

    def made_namespace(self, name: str) -> Namespace:
        """A namespace, made if need be.

        Raises:
            Refusal: There are too many.
        """
        name = "" if name == _DEFAULT else name
        if name not in self.namespaces:
            if len(self.namespaces) >= _MOST_NAMESPACES:
                raise Refusal(403, f"Request failed. You've reached the max namespaces allowed ({_MOST_NAMESPACES}).")
            self.namespaces[name] = Namespace(self.metric, self.lag, self.clock)
        return self.namespaces[name]

    def document(self, address: str) -> dict[str, Any]:
        """It as JSON.

        Args:
            address: Where hosts are, with the scheme.
        """
        dense = {"type": "dense_vector", "dimension": self.dimension, "metric": self.metric}
        return {
            "name": self.name,
            "host": f"{address}/{self.place}",
            "schema": {"fields": {"_values": dense}},
            "deployment": self.deployment,
            "deletion_protection": "disabled",
            "read_capacity": {"mode": "OnDemand", "status": {"state": "Ready"}},
            "status": {"ready": self.ready, "state": "Ready" if self.ready else "Initializing"},
            "tags": None,
        }
