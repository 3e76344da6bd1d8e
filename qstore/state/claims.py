"""Who runs what: a look in the result cache and among running circuits, and the claim on a new run.

Invariant: a run's claim and its place in a group appear in one move, so whoever holds a claim holds its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

from qstore.job import Group, Job, Run
from qstore.state.budget import Budget
from qstore.state.connection import Call, Connection, translated
from qstore.state.keys import Keys

_HITS = 10_000  # the newest, where no replica is up to tell Flower


@dataclass(frozen=True, slots=True)
class Entry:
    """A job's place in Celery's result backend, and what it says while the job waits.

    Attributes:
        key: Redis key.
        value: What the result backend's own encoding makes of a queued job.
        expires: Seconds until Celery forgets it.
    """

    key: str
    value: str
    expires: int


@dataclass(frozen=True)
class Ask:
    """One job on its way in.

    Attributes:
        run_id: What it asks for.
        job: Who asks.
        entry: Where Celery's clients watch it.
    """

    run_id: str
    job: Job
    entry: Entry

    @cached_property
    def text(self) -> str:
        """The job as JSON: needed to look, and again to claim."""
        return self.job.to_json()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an ask.

    Attributes:
        kind: `hit`, `joined`, `miss`, `queued`, or `full` where as many jobs wait as may.
        outcome: JSON of the cached outcome, of a hit.
        full: What a queued run's batch shares, where that batch can leave at once; else None.
    """

    kind: Literal["hit", "joined", "miss", "queued", "full"]
    outcome: bytes = b""
    full: Group | None = None


def _answer(raw: list[Any], group: Group | None) -> Answer:
    match raw:
        case [b"hit", outcome]:
            return Answer("hit", outcome=outcome)
        case [b"queued", full]:
            return Answer("queued", full=group if full else None)
        case [b"joined"]:
            return Answer("joined")
        case [b"full"]:
            return Answer("full")
        case _:
            return Answer("miss")


class Claims:
    """Looks and claims, one Redis trip for however many asks.

    Args:
        connection: To Redis.
        keys: Key names.
        budget: Bounds how many jobs wait.
        batch_size: Circuits that fill a batch.
        batch_timeout: Seconds a partial batch waits for company.
    """

    def __init__(
        self, connection: Connection, keys: Keys, budget: Budget, batch_size: int, batch_timeout: float
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._budget = budget
        self._batch_size = batch_size
        self._batch_timeout = round(batch_timeout * 1000)

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
        keys = self._keys
        return (
            [
                keys.result(ask.run_id),
                keys.run(ask.run_id),
                keys.jobs(ask.run_id),
                ask.entry.key,
                keys.hits,
                keys.queued,
            ],
            [ask.text, ask.entry.value, ask.entry.expires, 0 if ask.job.delivered else _HITS, self._budget.limit, ""],
        )

    def _claim(self, ask: Ask, run: Run) -> Call:
        keys, args = self._look(ask)
        group = run.group.to_json()
        fields = run.to_fields()
        return (
            [*keys, self._keys.pending(group), self._keys.groups],
            [
                *args[:-1],
                run.run_id,
                fields["head"],
                fields["wire"],
                group,
                1 if run.group.solo else self._batch_size,
                self._batch_timeout,
            ],
        )

    def wake(self, job_id: str, answer: str, expires: int) -> None:
        """Leave the answer of a job that will be delivered again.

        Args:
            job_id: The job.
            answer: JSON.
            expires: Seconds to keep it.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            self._connection.client.set(self._keys.woken(job_id), answer, ex=expires)

    def woken(self, job_id: str) -> bytes | None:
        """The answer left for a woken job, or None.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            return cast("bytes | None", self._connection.client.get(self._keys.woken(job_id)))
