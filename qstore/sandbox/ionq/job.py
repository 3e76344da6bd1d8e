"""One job and its state, which is read off the clock: no timer moves it.

submitted, ready, started, then completed, failed or canceled; canceled, completed and failed are final.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from qstore.sandbox.ionq.order import Order

_READY_AFTER = 0.1  # of the latency
_STARTED_AFTER = 0.5


class State(StrEnum):
    """IonQ's job states."""

    SUBMITTED = "submitted"
    READY = "ready"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


FINAL = frozenset((State.COMPLETED, State.FAILED, State.CANCELED))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one circuit.

    Attributes:
        results: For each kind (`probabilities`, `histogram`, `shots`) the JSON to serve; empty for a dry run.
        failure: IonQ's failure code and a message, or None.
    """

    results: dict[str, bytes] = field(default_factory=dict)
    failure: tuple[str, str] | None = None


@dataclass(slots=True, eq=False)
class Job:
    """A job, or the child of one that stands for one of its circuits.

    Attributes:
        id: A UUID.
        serial: Higher is more recent.
        order: What was asked; children share their parent's.
        type: IonQ's job type.
        name: The job's, or the circuit's for a child.
        qubits: The widest circuit's.
        gate_counts: Gates on one qubit, and on more, in all circuits.
        submitted_at: Epoch seconds.
        latency: Seconds from submission to the end, unless the simulation takes longer.
        parent_id: Of a child.
        children: In the order of the circuits; empty unless the job has many.
        outcome: None until the simulation is done.
        done_at: Epoch seconds at which it was.
        canceled_at: Epoch seconds.
        doom: The failure it is to end in, whatever the simulation says.
        delay: Seconds its end comes later than that of its siblings.
        listed_from: Epoch seconds before which lists do not show it.
        forgotten_from: Epoch seconds from which nobody is told of it.
    """

    id: str
    serial: int
    order: Order
    type: str
    name: str | None
    qubits: int
    gate_counts: tuple[int, int]
    submitted_at: float
    latency: float
    parent_id: str | None = None
    children: tuple[Job, ...] = ()
    outcome: Outcome | None = None
    done_at: float = 0.0
    canceled_at: float | None = None
    doom: tuple[str, str] | None = None
    delay: float = 0.0
    listed_from: float = 0.0
    forgotten_from: float = math.inf

    @property
    def leaves(self) -> tuple[Job, ...]:
        """The jobs that stand for one circuit each."""
        return self.children or (self,)

    @property
    def size(self) -> int:
        """Bytes of results it keeps."""
        return sum(len(result) for leaf in self.leaves if leaf.outcome for result in leaf.outcome.results.values())

    @property
    def started_at(self) -> float:
        """Epoch seconds at which it leaves the queue."""
        return self.submitted_at + self.latency * _STARTED_AFTER

    @property
    def completed_at(self) -> float:
        """Epoch seconds of its end, once the simulation is done."""
        return max(self.submitted_at + self.latency, self.done_at) + self.delay

    def state(self, now: float) -> State:
        """The state at an instant, in epoch seconds."""
        if self.canceled_at is not None:
            return State.CANCELED
        if now < self.submitted_at + self.latency * _READY_AFTER:
            return State.SUBMITTED
        if now < self.started_at:
            return State.READY
        if self.outcome is None or now < self.completed_at:
            return State.STARTED
        return State.FAILED if self.outcome.failure else State.COMPLETED

    def settle(self, outcomes: list[Outcome], now: float) -> None:
        """Take in what came of each leaf.

        A job of many circuits fails only where all of them did.
        """
        for leaf, outcome in zip(self.leaves, outcomes, strict=True):
            leaf.outcome = Outcome(failure=leaf.doom) if leaf.doom else outcome
            leaf.done_at = now
        if self.children:
            failures = [child.doom or outcome.failure for child, outcome in zip(self.children, outcomes, strict=True)]
            self.outcome = Outcome(failure=failures[0] if all(failures) else None)
            self.done_at = now

    def cancel(self, now: float) -> None:
        """Cancel it and its children; whatever is final stays as it is."""
        for job in (self, *self.children):
            if job.state(now) not in FINAL:
                job.canceled_at = now
