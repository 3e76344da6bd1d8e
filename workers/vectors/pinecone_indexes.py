"""The indexes behind collections: looked up or made when first used, and looked up again when they seem gone.

Invariant: a thread that looks up or makes an index makes no other wait for longer than the deadline, and nothing of the
parent's is used after a fork.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from pinecone import ConflictError, NotFoundError, Pinecone, PineconeConnectionError, PineconeTimeoutError
from pinecone.models.indexes.index import IndexModel

from qstore.errors import PoolClosed, VectorStoreRefusedError
from workers.pool import PoolStats
from workers.pool.fork import in_child
from workers.vectors.pinecone_client import ONCE, Client
from workers.vectors.pinecone_gate import Gate
from workers.vectors.store import Metric

METRICS: Final[dict[Metric, str]] = {"cosine": "cosine", "l2": "euclidean", "inner_product": "dotproduct"}
"""What Pinecone calls each metric."""

_PREFIX: Final = "qstore-"
_FIRST_PAUSE: Final = 0.05  # seconds between the first two looks at an index that is not ready
_LONGEST_PAUSE: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """The way to one index."""

    host: str
    dimension: int
    metric: Metric
    client: Client
    gate: Gate


class Indexes:
    """All of them.

    Args:
        api_key: The key.
        url: Of the control plane.
        cloud: Where indexes are made.
        region: In that cloud.
        timeout: Seconds of each attempt, of waiting for a connection, and of waiting for an index to be ready.
        max_size: Connections to each index.
    """

    def __init__(self, api_key: str, url: str, *, cloud: str, region: str, timeout: float, max_size: int) -> None:
        self._api_key = api_key
        self._url = url
        self._deployment = {"deployment_type": "managed", "cloud": cloud, "region": region}
        self._timeout = timeout
        self._max_size = max_size
        self._closed = False
        self._begin()
        self._open_control()
        in_child(self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, _Link] = {}
        self._looking: dict[str, threading.Lock] = {}
        self._control: Pinecone | None = None

    def use(self, name: str, dimension: int, metric: Metric, call: Callable[[Client], T]) -> T:
        """Make a call to the index of a collection, which is made if it is not there.

        Where the index turns out to be somewhere else by now, the call is made once more, there.

        Raises:
            VectorStoreRefusedError: The index has another dimension or metric.
            PoolTimeout: No connection became free in time.
        """
        link = self._link(name, dimension, metric)
        try:
            with link.gate.turn():
                return call(link.client)
        except (NotFoundError, PineconeConnectionError):
            found = self._link(name, dimension, metric, stale=link)
            if found is link:
                raise
        with found.gate.turn():
            return call(found.client)

    def describe(self, name: str) -> tuple[int, Metric] | None:
        """The dimension and metric of a collection; None where there is none.

        Raises:
            VectorStoreRefusedError: Its index is none of vectors.
        """
        try:
            return kind(name, self._open_control().indexes.describe(_PREFIX + name))
        except NotFoundError:
            return None

    def ping(self) -> None:
        """Make sure that the control plane answers."""
        next(iter(self._open_control().indexes.list()), None)

    def stats(self) -> list[PoolStats]:
        """Of each index that was used."""
        with self._lock:
            return [link.gate.stats() for link in self._links.values()]

    def close(self) -> None:
        """Close every connection; there is no other one afterwards."""
        self._closed = True
        with self._lock:
            links, self._links = list(self._links.values()), {}
            control, self._control = self._control, None
        for link in links:
            link.client.close()
        if control:
            control.close()

    def _link(self, name: str, dimension: int, metric: Metric, stale: _Link | None = None) -> _Link:
        """The way to an index, looked up anew where the known one is stale; that one again if it is still right."""
        with self._lock:
            known = self._links.get(name)
            looking = self._looking.setdefault(name, threading.Lock())
        if known is None or known is stale:
            known = self._look_up(looking, name, dimension, metric, stale)
        if (known.dimension, known.metric) != (dimension, metric):
            raise VectorStoreRefusedError(
                f"The collection {name!r} is there with {known.dimension} dimensions, compared by {known.metric}."
            )
        return known

    def _look_up(
        self, looking: threading.Lock, name: str, dimension: int, metric: Metric, stale: _Link | None
    ) -> _Link:
        if not looking.acquire(timeout=self._timeout):
            raise PineconeTimeoutError(f"another thread looks up the index of {name!r} for too long")
        try:
            known = self._links.get(name)
            if known is not None and known is not stale:
                return known  # another thread was faster
            model = self._ready(name, dimension, metric)
            if stale is not None and stale.host == model.host:
                return stale
            link = self._connect(name, model)
            with self._lock:
                self._links[name] = link
            return link  # the stale one is not closed: other threads may be using it still
        finally:
            looking.release()

    def _ready(self, name: str, dimension: int, metric: Metric) -> IndexModel:
        """The index once it is ready, made if it is not there; another replica may be making it as well."""
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        indexes = self._open_control().indexes
        while True:
            with suppress(ConflictError):  # another replica made it meanwhile
                try:
                    model = indexes.describe(_PREFIX + name)
                except NotFoundError:
                    model = indexes.create(
                        name=_PREFIX + name,
                        schema={"fields": {"_values": _dense(dimension, metric)}},
                        deployment=self._deployment,
                        timeout=-1,
                    )
                if model.status.ready and model.host:
                    return model
            if time.monotonic() + pause > deadline:
                raise PineconeTimeoutError(f"the index of {name!r} was not ready within {self._timeout:g} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _connect(self, name: str, model: IndexModel) -> _Link:
        host = str(model.host)
        dimension, metric = kind(name, model)
        client = Client(host, self._api_key, self._timeout, self._max_size)
        return _Link(host, dimension, metric, client, Gate(f"pinecone {name}", self._max_size, self._timeout))

    def _open_control(self) -> Pinecone:
        if self._closed:
            raise PoolClosed("The connections to Pinecone are closed.")
        with self._lock:
            if self._control is None:
                self._control = Pinecone(
                    self._api_key, host=self._url, timeout=self._timeout, retry_config=ONCE, connection_pool_maxsize=4
                )
            return self._control


def _dense(dimension: int, metric: Metric) -> dict[str, str | int]:
    return {"type": "dense_vector", "dimension": dimension, "metric": METRICS[metric]}


def kind(name: str, model: IndexModel) -> tuple[int, Metric]:
    """The dimension and metric of the collection that is kept in an index.

    Raises:
        VectorStoreRefusedError: None can be.
    """
    with suppress(AttributeError):  # what an index without one dense vector a record does not have
        for metric, called in METRICS.items():
            if called == model.metric and model.dimension:
                return model.dimension, metric
    raise VectorStoreRefusedError(f"The index of {name!r} is none of dense vectors.")
