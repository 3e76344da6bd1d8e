"""The producer pipeline: look → compile → claim. What comes in was checked by `qstore.preparation`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qstore.bank import shortfall
from qstore.entries import Entries, Finish
from qstore.errors import InvalidJobError, JobIdTakenError, QueueFull
from qstore.job import Group, Run
from qstore.outcome import Outcome
from qstore.preparation import Prepared
from qstore.result import Result, Source, headline, read
from qstore.runs import Runs
from qstore.state.claims import Answer, Ask, Claims
from qstore.state.ledger import Hit

_LACKING = frozenset(("miss", "short"))  # answers after which something has to be executed
_ROOM = 0.05  # seconds between two looks for room


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a job at the door.

    Attributes:
        job_id: The Celery task id.
        result: The answer, where the cache knew it.
        full: The group to ring for, where a batch can leave at once.
        joined: Whether the same circuit was waiting or running already.
        error: Why it was not queued after all: the circuit does not compile, or as many jobs wait as may.
    """

    job_id: str
    result: Result | None = None
    full: Group | None = None
    joined: bool = False
    error: InvalidJobError | QueueFull | None = None


class Submission:
    """Takes jobs in.

    Args:
        claims: Result cache and running circuits.
        runs: Makes what is executed.
        entries: Celery's result backend.
        queue_timeout: Seconds to wait for room where as many jobs wait as may.
    """

    def __init__(
        self,
        claims: Claims,
        runs: Runs,
        entries: Entries,
        queue_timeout: float = 0.0,
    ) -> None:
        self._claims = claims
        self._runs = runs
        self._entries = entries
        self._queue_timeout = queue_timeout

    def submit(self, jobs: Sequence[Prepared]) -> list[Submitted]:
        """Answer from the cache, join what is running, and queue the rest, in two Redis trips at most.

        Circuits that need compiling are looked for first, in a trip of their own, which brings along what another
        producer compiled; those that need none bring their run along and are claimed at once. A circuit that does not
        compile ends with its error, and is not queued; so does one for which there is no room within `queue_timeout`.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        deadline = time.monotonic() + self._queue_timeout
        runs = {index: run for index, job in enumerate(jobs) if (run := self._runs.ready(job))}
        unready = [index for index in range(len(jobs)) if index not in runs]
        asks = {index: job.ask for index, job in enumerate(jobs)}
        seeking = {index: replace(asks[index], circuit_key=self._runs.circuit_key(jobs[index])) for index in unready}
        looked = self._ask([(ask, None) for ask in seeking.values()], deadline)
        answers: dict[int, Answer] = {}
        errors: dict[int, InvalidJobError] = {}
        for (index, ask), answer in zip(seeking.items(), looked, strict=True):
            if answer.shots:
                asks[index] = replace(asks[index], knows=answer.shots)
            if answer.kind not in _LACKING:
                answers[index] = answer
            elif answer.wire:
                runs[index] = self._runs.taken_over(jobs[index], answer.wire)
            else:
                try:
                    runs[index] = self._runs.compiled(jobs[index])
                    asks[index] = replace(ask, knows=answer.shots)  # with the name under which others find it
                except InvalidJobError as error:
                    errors[index] = error
        while runs:
            claimed = self._ask([(asks[index], _for(asks[index], run)) for index, run in runs.items()], deadline)
            answers |= zip(runs, claimed, strict=True)
            # of a bank that others added to meanwhile, less is missing
            runs = {index: run for index, run in runs.items() if answers[index].kind in _LACKING}
            asks |= {index: replace(asks[index], knows=answers[index].shots) for index in runs}
        submitted = [self._submitted(job, answers.get(index), errors.get(index)) for index, job in enumerate(jobs)]
        self._finish_hits(jobs, submitted)
        return submitted

    def _ask(self, asks: Sequence[tuple[Ask, Run | None]], deadline: float) -> list[Answer]:
        """Ask, and again for those that find no room, until there is some or the deadline (monotonic seconds)."""
        answers = self._claims.ask(asks)
        while (full := [index for index, each in enumerate(answers) if each.kind == "full"]) and (
            left := deadline - time.monotonic()
        ) > 0:
            time.sleep(min(left, _ROOM))
            for index, answer in zip(full, self._claims.ask([asks[index] for index in full]), strict=True):
                answers[index] = answer
        return answers

    def mark_queued(self, job: Prepared) -> None:
        """Say that a job waits which travels to a worker first, as a Celery message.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._entries.write_queued(job.ask.entry)

    def _submitted(self, job: Prepared, answer: Answer | None, error: InvalidJobError | None) -> Submitted:
        job_id = job.ask.job.job_id
        if answer is None:
            return Submitted(job_id, error=error)
        if answer.kind == "full":
            return Submitted(
                job_id, error=QueueFull("As many jobs wait as may: try later, or raise QSTORE_MAX_QUEUED_JOBS.")
            )
        if answer.kind == "taken":
            return Submitted(
                job_id,
                error=JobIdTakenError(
                    f"A job {job_id} waits already, for another circuit or with other options: give this one an id of "
                    "its own, or none."
                ),
            )
        if answer.kind == "hit":
            source: Source = "banked" if job.options.reuse == "bank" else "cached"
            return Submitted(job_id, result=read(Outcome.from_json(answer.outcome), job.ask.job, source, answer.age))
        return Submitted(job_id, full=answer.full, joined=answer.kind == "joined")

    def _finish_hits(self, jobs: Sequence[Prepared], submitted: Sequence[Submitted]) -> None:
        """Finish what the cache answered; what is delivered, now or again, is finished by the worker that holds it."""
        hits = [
            (job.ask.job, answer.result)
            for job, answer in zip(jobs, submitted, strict=True)
            if answer.result is not None and not job.ask.job.delivered and job.ask.job.wake is None
        ]
        if hits:
            self._entries.finish(
                [Finish(job.job_id, result, job.parent_id, job.ignore_result) for job, result in hits],
                [Hit(job, headline(result)).to_json() for job, result in hits],
            )


def _for(ask: Ask, run: Run) -> Run:
    """The run to claim: for a bank, of the shots that are missing there."""
    if ask.wants is None:
        return run
    return replace(run, group=shortfall(run.group, ask.wants, ask.knows), bank=ask.knows)
