"""Faults of content: jobs that go wrong by themselves, and answers that say too little or in another order.

Faults of jobs strike when a job is accepted and stay with it; faults of answers strike each answer by itself.
"""

# ruff: noqa: ARG002, D102 - what each kind changes is what its class says

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from qstore.sandbox.ionq.fault import ContentFault, Seconds
from qstore.sandbox.ionq.job import Job

FailureCode = Literal[
    "CompilationError",
    "ContractExpiredError",
    "DebiasingError",
    "InternalError",
    "InvalidInput",
    "NotEnoughQubits",
    "OptimizationError",
    "PreflightError",
    "QuantumCircuitComplexityError",
    "QuantumComputerError",
    "QuotaExhaustedError",
    "SimulationError",
    "SimulationTimeout",
    "SystemCancel",
    "TooLongPredictedExecutionTime",
    "TooManyControls",
    "TooManyGates",
    "TooManyShots",
    "UnknownBillingError",
    "UnsupportedGate",
]
"""IonQ's failure codes."""

Document = dict[str, Any]

_ACCEPT = frozenset({"POST /jobs"})
_AGGREGATED = frozenset({"GET /jobs/{id}/results/probabilities/aggregated"})
_JOB = frozenset({"GET /jobs/{id}"})
_MESSAGE = "it failed as it was told to"

T = TypeVar("T")


class JobFault(ContentFault[Job]):
    """Befalls a job when it is accepted."""

    confined_to = _ACCEPT


class AnswerFault(ContentFault[Document]):
    """Changes the document a request is answered with."""


class _Some(ContentFault[Any]):
    """Some children of a job.

    Attributes:
        n: How many, drawn at random; 1 by default.
        positions: Which, the first is 0; those there are not are passed over.
    """

    n: Annotated[int, Field(ge=1)] = 1
    positions: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> _Some:
        if self.positions is not None and "n" in self.model_fields_set:
            raise ValueError("give `n` or `positions`, not both")
        return self

    def pick(self, children: Sequence[T], chance: random.Random) -> list[T]:
        """The children it is about, in their order."""
        if self.positions is None:
            places = chance.sample(range(len(children)), min(self.n, len(children)))
        else:
            places = [place for place in set(self.positions) if place < len(children)]
        return [children[place] for place in sorted(places)]


class _SomeChildren(_Some, JobFault):
    """Befalls some children of a job that has any."""

    def fits(self, subject: Job) -> bool:
        """Whether it has children."""
        return bool(subject.children)


class ChildFailed(_SomeChildren):
    """Some children fail; the job completes, unless all of them do.

    Attributes:
        code: IonQ's failure code.
    """

    kind: Literal["child_failed"]
    code: FailureCode = "InternalError"

    def change(self, subject: Job, chance: random.Random) -> None:
        for child in self.pick(subject.children, chance):
            child.doom = (self.code, _MESSAGE)


class ChildSlow(_SomeChildren):
    """Some children end later than their job.

    Attributes:
        delay: Seconds.
    """

    kind: Literal["child_slow"]
    delay: Seconds

    def change(self, subject: Job, chance: random.Random) -> None:
        for child in self.pick(subject.children, chance):
            child.delay = self.delay


class JobFailed(JobFault):
    """A job fails, and every child it has.

    Attributes:
        code: IonQ's failure code.
    """

    kind: Literal["job_failed"]
    code: FailureCode = "InternalError"

    def change(self, subject: Job, chance: random.Random) -> None:
        for leaf in subject.leaves:
            leaf.doom = (self.code, _MESSAGE)


class ListLag(JobFault):
    """Lists do not show a job at first, its id finds it; this lasts.

    Attributes:
        lag: Seconds.
    """

    lasting = True

    kind: Literal["list_lag"]
    lag: Seconds

    def change(self, subject: Job, chance: random.Random) -> None:
        subject.listed_from = subject.submitted_at + self.lag


class Forgotten(JobFault):
    """A job vanishes with its children, and is executed and paid for all the same.

    Attributes:
        delay: Seconds after which it does.
    """

    kind: Literal["forgotten"]
    delay: Seconds = 0

    def change(self, subject: Job, chance: random.Random) -> None:
        for job in (subject, *subject.children):
            job.forgotten_from = subject.submitted_at + self.delay


class Slow(JobFault):
    """A job takes its time; this lasts.

    Attributes:
        latency: Seconds from submission to the end.
    """

    lasting = True

    kind: Literal["slow"]
    latency: Seconds

    def change(self, subject: Job, chance: random.Random) -> None:
        for job in (subject, *subject.children):
            job.latency = self.latency


class MissingChild(_Some, AnswerFault):
    """Some children are missing from the results of a job."""

    confined_to = _AGGREGATED

    kind: Literal["missing_child"]

    def change(self, subject: Document, chance: random.Random) -> None:
        for child in self.pick(list(subject), chance):
            del subject[child]


class EmptyChild(_Some, AnswerFault):
    """Some children's results have nothing in them."""

    confined_to = _AGGREGATED

    kind: Literal["empty_child"]

    def change(self, subject: Document, chance: random.Random) -> None:
        subject.update((child, {}) for child in self.pick(list(subject), chance))


class Reordered(AnswerFault):
    """The results of a job come in another order than its circuits."""

    confined_to = _AGGREGATED

    kind: Literal["reordered"]

    def fits(self, subject: Document) -> bool:
        """Whether there is another order."""
        return len(subject) > 1

    def change(self, subject: Document, chance: random.Random) -> None:
        for child in _deranged(list(subject), chance):
            subject[child] = subject.pop(child)


class ChildrenReordered(AnswerFault):
    """A job names its children in another order than its circuits."""

    confined_to = _JOB

    kind: Literal["children_reordered"]

    def fits(self, subject: Document) -> bool:
        """Whether there is another order."""
        return len(subject["child_job_ids"] or ()) > 1

    def change(self, subject: Document, chance: random.Random) -> None:
        subject["child_job_ids"] = _deranged(subject["child_job_ids"], chance)


JOB_FAULTS = (ChildFailed, ChildSlow, JobFailed, ListLag, Forgotten, Slow)
ANSWER_FAULTS = (MissingChild, EmptyChild, Reordered, ChildrenReordered)


def _deranged(items: list[str], chance: random.Random) -> list[str]:
    """The items, more than one, in an order that is not theirs."""
    shuffled = items
    while shuffled == items:
        shuffled = chance.sample(items, len(items))
    return shuffled
