"""Who runs what: a look in the result cache and among running circuits, and the claim on a new run.

Invariant: a run's claim and its place in a group appear in one move, so whoever holds a claim holds its work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

from qstore.job import Group, Job, Run
from qstore.state.budget import Budget
from qstore.state.connection import Call, Connection, translated
from qstore.state.entry import Entry
from qstore.state.keys import Keys

_ARRIVALS = 10_000  # the newest, where no replica is up to tell Flower


@dataclass(frozen=True)
class Ask:
    """One job on its way in.

    Attributes:
        run_id: What it asks for.
        job: Who asks.
        entry: Where Celery's clients watch it.
        priority: Among the waiting runs of its group: 0 goes first, 9 last.
        expires: Epoch seconds; None for never.
        backend: Where it is to run.
        max_age: Seconds; a stored outcome must be younger. None for any, 0 for none.
        archive_age: Seconds; an archived outcome must be younger; 0 for none.
        circuit_key: The compiler's name for the compiled circuit: a look that misses brings that along where it is
            stored, a claim stores its own. Empty for neither.
        wants: Shots, of a bank; None where any stored outcome will do.
        knows: Shots that are banked, as far as the caller knows.
    """

    run_id: str
    job: Job
    entry: Entry
    priority: int = 0
    expires: float | None = None
    backend: str = "simulator"
    max_age: float | None = None
    archive_age: float = 0.0
    circuit_key: str = ""
    wants: int | None = None
    knows: int = 0

    @cached_property
    def text(self) -> str:
        """The job as JSON: needed to look, and again to claim."""
        return self.job.to_json()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an ask.

    Attributes:
        kind: `hit`, `joined`, `miss`, `queued`, `full` where as many jobs wait as may, `taken` where a job with its id
            waits for something else, or `short` where fewer shots are banked than it wants. `miss` and `short` are also
            what a claim on a bank hears that knew of another number.
        outcome: JSON of the cached outcome, of a hit.
        age: Seconds since that was stored.
        shots: How many are banked, where that is short.
        wire: The compiled circuit, of a miss and where it is short, if it was looked for and found.
        full: What a queued run's batch shares, where that batch can leave at once; else None.
    """

    kind: Literal["hit", "joined", "miss", "short", "queued", "full", "taken"]
    outcome: bytes = b""
    age: float = 0.0
    shots: int = 0
    wire: bytes = b""
    full: Group | None = None


def _answer(raw: list[Any], group: Group | None) -> Answer:
    match raw:
        case [b"hit", outcome, age]:
            return Answer("hit", outcome=outcome, age=age / 1000)
        case [b"queued", full]:
            return Answer("queued", full=group if full else None)
        case [b"joined" | b"full" | b"taken" as kind]:
            return Answer(kind.decode())
        case [b"miss", wire]:
            return Answer("miss", wire=wire)
        case [b"short", shots, wire]:
            return Answer("short", shots=shots, wire=wire)
        case _:
            raise AssertionError(raw)


def _milliseconds(seconds: float | None) -> int | str:
    return "" if seconds is None else math.ceil(seconds * 1000)


class Claims:
    """Looks and claims, one Redis trip for however many asks.

    Args:
        connection: To Redis.
        keys: Key names.
        budget: Bounds how many jobs wait.
        batch_size: Circuits that fill a batch.
        batch_timeout: Seconds a partial batch waits for company.
        circuit_ttl: Seconds a compiled circuit is stored.
        circuit_bytes: Of compiled circuits, at most.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        budget: Budget,
        batch_size: int,
        batch_timeout: float,
        circuit_ttl: float = 86_400.0,
        circuit_bytes: int = 64 * 2**20,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._budget = budget
        self._batch_size = batch_size
        self._batch_timeout = round(batch_timeout * 1000)
        self._circuit_ttl = round(circuit_ttl * 1000)
        self._circuit_bytes = circuit_bytes

    def ask(self, asks: Sequence[tuple[Ask, Run | None]]) -> list[Answer]:
        """Answer from the cache, join a running execution, or claim the run that comes along.

        Args:
            asks: Each with the run to claim; None only looks, and a miss then writes nothing.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        answers = self._connection.call_many(
            "ask", [self._claim(ask, run) if run else self._look(ask) for ask, run in asks]
        )
        return [_answer(raw, run.group if run else None) for raw, (_, run) in zip(answers, asks, strict=True)]

    def _look(self, ask: Ask) -> Call:
        keys, job_id, entry = self._keys, ask.job.job_id, ask.entry
        return (
            [
                *(keys.result(ask.run_id), keys.run(ask.run_id), keys.jobs(ask.run_id), entry.key, keys.job(job_id)),
                *(keys.queued, keys.arrivals, keys.expiring),
                *(keys.tally, keys.calibration(ask.backend), keys.circuit(ask.circuit_key)),
            ],
            [
                *(ask.text, job_id, ask.run_id, entry.head, entry.middle, entry.tail, entry.expires),
                *(_ARRIVALS, self._budget.limit),
                *(_milliseconds(ask.expires), ask.priority),
                *(_milliseconds(ask.max_age), _milliseconds(ask.archive_age)),
                *("" if ask.wants is None else ask.wants, ask.knows, 1 if ask.circuit_key else "", ""),
            ],
        )

    def _claim(self, ask: Ask, run: Run) -> Call:
        keys, args = self._look(ask)
        group = run.group.to_json()
        fields = run.to_fields()
        return (
            [*keys, self._keys.pending(group), self._keys.groups, *self._keys.circuits],
            [
                *args[:-1],
                fields["head"],
                fields["wire"],
                group,
                1 if run.group.solo else self._batch_size,
                self._batch_timeout,
                self._circuit_ttl,
                self._circuit_bytes,
            ],
        )

    def position(self, job_id: str) -> int | None:
        """How many circuits are before a job's in its group; None where it does not wait there.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        client = self._connection.client
        with translated():
            run_id = client.get(self._keys.job(job_id))
            pending = client.hget(self._keys.run(run_id.decode()), "pending") if isinstance(run_id, bytes) else None
            rank = client.zrank(pending, run_id) if pending and run_id else None
        return rank if isinstance(rank, int) else None

    def wake(self, job_id: str, answer: str, expires: int) -> None:
        """Leave the answer of a job that will be delivered again, and waits no longer.

        Args:
            job_id: The job.
            answer: JSON.
            expires: Seconds to keep it.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        pipe.set(self._keys.woken(job_id), answer, ex=expires)
        pipe.delete(self._keys.job(job_id))
        pipe.srem(self._keys.announced, job_id)
        with translated():
            pipe.execute()

    def woken(self, job_id: str) -> bytes | None:
        """The answer left for a woken job, or None.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            return cast("bytes | None", self._connection.client.get(self._keys.woken(job_id)))
