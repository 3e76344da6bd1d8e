"""`rank_vectors`: the nearest vectors of a store, put into the order in which a quantum computer finds them near.

A replica asks the vector store for candidates, measures the fidelity of each with the vector asked for, as a circuit
that goes through the queue like any other, and puts them in order.

Invariant: what cannot be asked for raises where it is asked; the answer is plain JSON.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast, get_args

from qstore.app import app
from qstore.calling import portable
from qstore.circuits.fidelity import METHODS, Method, check_dimension, fidelity, read_vector
from qstore.circuits.targets import find_backend
from qstore.errors import InvalidJobError, InvalidOptionError
from qstore.options import parse_options
from qstore.result import Cost, Result, Source
from qstore.worker_task import WorkerTask

MOST_CANDIDATES = 1000
"""Candidates of one query."""


class Candidate(TypedDict):
    """A vector that the store finds near.

    Keys:
        id: Its name in the collection.
        similarity: The store's own score, the nearer the higher: the cosine, the inner product, or the distance
            times -1.
        payload: What is known of it.
    """

    id: str
    similarity: float
    payload: dict[str, Any]


class RankedVector(Candidate):
    """A candidate, and where it stands.

    Keys:
        rank: Its place by fidelity, from 1; equals stand as the store has them.
        classical_rank: Its place in the store's own order, from 1.
        fidelity: As measured, 0 to 1; see `qstore.circuits.fidelity.fidelity` for its standard error.
    """

    rank: int
    classical_rank: int
    fidelity: float


class RankedVectors(TypedDict):
    """What `rank_vectors(...).get()` returns: plain JSON.

    Keys:
        vectors: The nearest ones, nearest first.
        candidates: How many the store had, which is how many circuits were asked for.
        circuits: How many of those were `executed`, `joined`, `cached`, …: see `qstore.result.Result`.
        cost: Of all of them together; null where that of one is not known.
    """

    vectors: list[RankedVector]
    candidates: int
    circuits: dict[Source, int]
    cost: Cost


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is asked for, checked.

    Attributes:
        vector: In single precision.
        top_k: How many vectors to return.
        candidates: How many of the store's to look at.
        collection: The store's.
        filter: What the payload of a candidate has to hold.
        method: How fidelities are measured.
        scale: Radians for a component of 1.
        options: Of `submit_circuit`, as given.
    """

    vector: list[float]
    top_k: int
    candidates: int
    collection: str
    filter: dict[str, str | int | float | bool] | None
    method: Method
    scale: float
    options: dict[str, Any]

    @property
    def summary(self) -> str:
        """One readable line."""
        return f"{self.collection} · {len(self.vector)} dimensions · {self.top_k} of {self.candidates}"

    def to_arguments(self) -> dict[str, Any]:
        """The keyword arguments of a call that asks for the same, as a message can carry them."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "options"}
        return {**own, **self.options}


def read_query(
    vector: Any = None,
    top_k: Any = 10,
    candidates: Any = 30,
    *rest: Any,
    collection: Any = "vectors",
    filter: Any = None,  # noqa: A002 - the field's word
    method: Any = METHODS[0],
    scale: Any = 1.0,
    **options: Any,
) -> Query:
    """Check the arguments of a call of `rank_vectors`, where they are described.

    Raises:
        InvalidVectorError: The vector is none, or needs more qubits than the backend has.
        InvalidJobError: Another argument is impossible.
    """
    if rest:
        raise InvalidJobError("rank_vectors takes a vector, top_k and candidates, and everything else by name.")
    components = read_vector(vector)
    how = cast("Method", _word("method", method, METHODS))
    check_dimension(len(components), how, find_backend(parse_options(options).backend))
    most = _whole("candidates", candidates, 1, MOST_CANDIDATES)
    return Query(
        vector=components.tolist(),
        top_k=_whole("top_k", top_k, 1, most),
        candidates=most,
        collection=_text("collection", collection),
        filter=_filter(filter),
        method=how,
        scale=_scale(scale),
        options={name: portable(value) for name, value in options.items()},
    )


class RankVectors(WorkerTask):
    """Find the vectors of a store that are nearest to one, by the fidelity of quantum states; see `RankedVectors`.

    The store's index finds candidates, and a circuit for each of them measures how near it is by the kernel of
    `qstore.circuits.fidelity`. Circuits that were executed before are answered from the cache.

    Args:
        vector: Real numbers, as many as the collection's vectors have.
        top_k: How many vectors to return; 10 by default, `candidates` at most.
        candidates: How many of the store's to measure; 30 by default, 1000 at most.
        collection: Where to look; it has to be there.
        filter: What the payload of a candidate has to hold, all of it, equal: a mapping of plain values.
        method: `compute_uncompute` (default), on a qubit for each component; or `swap_test`, on twice as many and
            one, which takes more shots for the same.
        scale: Radians for a component of 1; 1.0 by default. The larger, the sooner two vectors are strangers.
        **options: Of `submit_circuit`: `shots`, `backend`, `reuse`, `seed`, …

    Raises:
        InvalidVectorError: The vector is none, or not of the collection's dimension, or has too many for the backend.
        InvalidJobError: The call makes no sense in another way.
        VectorStoreRefusedError: There is no such collection.
        VectorStoreUnavailableError: The store does not answer; `BreakerOpen` where it is not asked for that reason.
        celery.exceptions.ChordError: A circuit failed, and so the whole query, as chords do; its text names the
            error. The other circuits are executed all the same, and answer the next query from the cache.
        StoreUnavailableError: Redis does not answer.
    """

    name = "qstore.rank_vectors"

    def message(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        """See `read_query`."""
        query = read_query(*args, **kwargs)
        return query.to_arguments(), query.summary


rank_vectors = app.register_task(RankVectors())


@app.task(name="qstore.rank_candidates")  # type: ignore[untyped-decorator]  # Celery has no types
def rank_candidates(header: list[Any], top_k: int, method: Method) -> RankedVectors:
    """The end of a query: put candidates in order.

    Args:
        header: The candidates, in the store's order, and then the result of each one's circuit.
        top_k: How many of them to return.
        method: How their fidelities were measured.
    """
    candidates, *results = header
    return put_in_order(results, candidates, top_k, method)


def put_in_order(
    results: Sequence[Result], candidates: Sequence[Candidate], top_k: int, method: Method
) -> RankedVectors:
    """The answer to a query.

    Args:
        results: Of the candidates' circuits, in their order.
        candidates: In the store's order.
        top_k: How many of them to return.
        method: How their fidelities were measured.
    """
    measured = [fidelity(result["counts"], method) for result in results]
    order = sorted(range(len(candidates)), key=lambda place: -measured[place])
    sources = Counter(result["source"] for result in results)
    return RankedVectors(
        vectors=[
            RankedVector(**candidates[place], rank=rank, classical_rank=place + 1, fidelity=measured[place])
            for rank, place in enumerate(order[:top_k], 1)
        ],
        candidates=len(candidates),
        circuits={source: sources[source] for source in get_args(Source)},
        cost=Cost(
            quantum_seconds=_sum([result["cost"]["quantum_seconds"] for result in results]),
            usd=_sum([result["cost"]["usd"] for result in results]),
        ),
    )


def _sum(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if len(known) == len(costs) else None


def _is(kind: type, value: object) -> bool:
    """Whether it is a number of that kind, which truths are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _word(name: str, value: Any, words: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise InvalidOptionError(f"{name} must be one of {', '.join(map(repr, words))}, not {value!r}.")
    return value


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if not _is(numbers.Integral, value) or not least <= value <= most:
        raise InvalidOptionError(f"{name} must be a whole number from {least} to {most:,}, not {value!r}.")
    return int(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidOptionError(f"{name} must be a text, not {value!r}.")
    return value


def _scale(value: Any) -> float:
    if not _is(numbers.Real, value) or not 0 < value < math.inf:
        raise InvalidOptionError(f"scale must be a number of radians greater than 0, not {value!r}.")
    return float(value)


def _filter(value: Any) -> dict[str, str | int | float | bool] | None:
    if value is None:
        return None
    plain = isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(each, str | int | float) for key, each in value.items()
    )
    if not plain:
        raise InvalidOptionError(f"filter must be a mapping from names to texts, numbers or truths, not {value!r}.")
    return dict(value)
