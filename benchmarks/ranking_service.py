"""The ranking service under a benchmark: digits go into its store, queries are asked, and every answer is judged."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits import Array, Digits
from qstore.progress import shown
from qstore.sandbox.sandbox import Sandbox

Places = NDArray[np.int64]

SETTINGS = {
    "QSTORE_VECTOR_STORE": "pgvector",
    "QSTORE_POLL_FLOOR": "0.02",  # the stand-in answers at once; what is left is the pause between two looks
}

_COLLECTION = "digits"
_CHUNK = 500  # vectors written at once
_WITHIN = 60.0  # seconds for one query
_UNLIKELY = 6.0  # standard errors


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the service made of some queries.

    Attributes:
        how: How they were asked.
        answers: As it gave them.
        executed: Circuits that IonQ sold for them.
        jobs: IonQ jobs those came in.
        seconds: From the first call to the last answer.
    """

    how: str
    answers: Sequence[Any]
    executed: int
    jobs: int
    seconds: float


def ask(sandbox: Sandbox, data: Digits, scale: float, count: int, candidates: int, shots: int) -> tuple[Asked, ...]:
    """Ask the service: some queries one by one, the same ones again, and as many others all at once."""
    # settings are read at import
    from qstore.ranking import rank_vectors  # noqa: PLC0415

    def send(query: int) -> Any:
        options = {"collection": _COLLECTION, "scale": scale, "shots": shots}
        return rank_vectors.delay(data.queries[query], candidates, candidates, **options)

    def one_by_one() -> Iterator[Any]:
        for query in range(count):
            yield send(query).get(timeout=_WITHIN)

    def at_once() -> Iterator[Any]:
        for result in [send(query) for query in range(count, 2 * count)]:
            yield result.get(timeout=_WITHIN)

    fill(data)
    ways: dict[str, Callable[[], Iterator[Any]]] = {
        "one by one": one_by_one,
        "the same again": one_by_one,
        "others, all at once": at_once,
    }
    with shown(None, "queries answered", len(ways) * count) as show:
        done: Counter[str] = Counter()
        return tuple(_watched(sandbox, how, way(), lambda: show(_one_more(done))) for how, way in ways.items())


def fill(data: Digits) -> None:
    """Have the service write what is stored."""
    from qstore.vectors import upsert_vectors  # noqa: PLC0415 - settings are read at import

    digit = [{"digit": label} for label in data.labels.tolist()]
    for start in range(0, len(digit), _CHUNK):
        chunk = range(start, min(start + _CHUNK, len(digit)))
        ids, payloads = [str(place) for place in chunk], [digit[place] for place in chunk]
        vectors = data.stored[start : start + _CHUNK]
        upsert_vectors.delay(ids, vectors, payloads, collection=_COLLECTION, metric="l2").get(timeout=_WITHIN)


def _one_more(done: Counter[str]) -> Counter[str]:
    done["answered"] += 1
    return done


def _watched(sandbox: Sandbox, how: str, answers: Iterator[Any], heard: Callable[[], object]) -> Asked:
    before, began = sandbox.stats(), time.perf_counter()
    came = []
    for answer in answers:
        came.append(answer)
        heard()
    seconds, after = time.perf_counter() - began, sandbox.stats()
    sold = {name: after[name] - before[name] for name in ("circuits_accepted", "jobs_accepted")}
    if (said := sum(answer["circuits"]["executed"] for answer in came)) != sold["circuits_accepted"]:
        raise RuntimeError(f"IonQ sold {sold['circuits_accepted']} circuits, and the answers say {said}.")
    return Asked(how, came, sold["circuits_accepted"], sold["jobs_accepted"], seconds)


def judge(kernel: Array, answers: Sequence[Any], shots: int) -> None:
    """Do nothing while every fidelity is what the exact kernel says, as far as shots tell.

    Args:
        kernel: A row for each query.
        answers: To the first of them.
        shots: Of each circuit.

    Raises:
        RuntimeError: One is not.
    """
    for query, answer in enumerate(answers):
        for vector in answer["vectors"]:
            exact = float(kernel[query, int(vector["id"])])
            error = math.sqrt(exact * (1 - exact) / shots) + 1 / shots
            if abs(vector["fidelity"] - exact) > _UNLIKELY * error:
                raise RuntimeError(f"Query {query}, {vector['id']}: measured {vector['fidelity']}, exactly {exact}.")


def found_in(answers: Sequence[Any], order: str, depth: int, count: int) -> Places:
    """The first of each answer, by `rank` or `classical_rank`, of the store's first so many candidates."""
    rows = []
    for answer in answers:
        near = [vector for vector in answer["vectors"] if vector["classical_rank"] <= depth]
        rows.append([int(vector["id"]) for vector in sorted(near, key=lambda vector: vector[order])][:count])
    return np.array(rows)
