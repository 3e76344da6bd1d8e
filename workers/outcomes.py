"""What an ended IonQ job gave each of its circuits: counts, an error of its own, or nothing yet.

Invariant: what is wrong with one circuit is that circuit's alone, and what was paid for is not given up before the
child that stands for the circuit was asked itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

from qstore.circuits.counts import check_distribution
from qstore.errors import InvalidResultError, IonQRefusedError, IonQUnavailableError, QstoreError
from qstore.job import Batch, Run
from qstore.outcome import Outcome, measure
from qstore.state.calibrations import Calibrations
from workers.children import Child, identify
from workers.ionq import PAGE, Document, IonQ
from workers.payload import child_name
from workers.registers import tally

logger = logging.getLogger(__name__)

ENDED = frozenset(("completed", "failed", "canceled"))
"""IonQ's states that no job leaves any more."""

_MOST_ALONE = 100  # children asked for their own results in one look, which has to end within a lease

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """No outcome yet.

    Attributes:
        document: What IonQ says of the job, or of the child.
        error: Why its result cannot be read; None where it still runs.
    """

    document: Document
    error: QstoreError | None = None


Found = Outcome | QstoreError | Pending

Distribution = Mapping[int, float]

Failure = Callable[[Document], QstoreError]
"""What it means that a job, or a child, did not complete."""


class Outcomes:
    """Reads what became of a job's circuits.

    Args:
        ionq: The session.
        calibrations: Of machines.
        guard: Held around each request.
        clock: Epoch seconds.
    """

    def __init__(
        self,
        ionq: IonQ,
        calibrations: Calibrations,
        guard: Callable[[], AbstractContextManager[object]],
        clock: Callable[[], float],
    ) -> None:
        self._ionq = ionq
        self._calibrations = calibrations
        self._guard = guard
        self._clock = clock

    def read(self, batch: Batch, runs: Sequence[Run], document: Document, failure: Failure) -> list[Found]:
        """Find the outcome of each run.

        Args:
            batch: The batch.
            runs: Its runs, in its order.
            document: Its job, as IonQ described it last.
            failure: What it means that the job, or a child, did not complete.

        Returns:
            For each run its outcome, its error, or why there is none yet.

        Raises:
            TransientError: IonQ could not be asked; ask again later.
        """
        if len(runs) > 1:
            found, charged = self._of_children(batch, runs, document, failure)
        elif document.get("status") == "completed":
            found, charged = self._alone(batch, runs[0], document)
        else:
            return [failure(document)]
        if batch.group.backend == "simulator" or not any(isinstance(each, Outcome) for each in found):
            return found
        usd = None if charged is None else charged / len(batch.run_ids)
        calibration = self._calibrations.throughout(batch)
        return [
            replace(each, usd=usd, calibration=calibration) if isinstance(each, Outcome) else each for each in found
        ]

    def _alone(self, batch: Batch, run: Run, document: Document) -> tuple[list[Found], float | None]:
        try:
            with self._guard():
                probabilities = self._own(run, document)
                charged = self._charged(batch, document)
        except InvalidResultError as error:
            return [Pending(document, error)], None
        return [self._outcome(batch, run, document, probabilities)], charged

    def _charged(self, batch: Batch, document: Document) -> float | None:
        """What IonQ charged for a job, US dollars. Counts are worth more, so not knowing it is no failure."""
        if batch.group.backend == "simulator" or document.get("status") != "completed":
            return None
        try:
            return self._ionq.cost(batch.remote_id)
        except QstoreError as error:
            logger.warning("What IonQ's job %s cost is not known: %s", batch.remote_id, error)
            return None

    def _of_children(
        self, batch: Batch, runs: Sequence[Run], document: Document, failure: Failure
    ) -> tuple[list[Found], float | None]:
        completed = document.get("status") == "completed"
        with self._guard():  # one permit for what every finished job takes
            try:
                children = self._children(batch, runs)
            except (InvalidResultError, IonQRefusedError) as error:
                unread = Pending(document, _unreadable(document, error)) if completed else failure(document)
                return [unread] * len(runs), None
            shares = self._shares(document)
            charged = self._charged(batch, document)
        known = [_checked(run, shares.get(child.remote_id)) for run, child in zip(runs, children, strict=True)]
        documents = self._documents(children, known)
        alone = sum(
            each is None and child.get("status") == "completed" for each, child in zip(known, documents, strict=True)
        )
        found: list[Found] = []
        for run, child, probabilities in zip(runs, documents, known, strict=True):
            status = child.get("status")
            if status in {"failed", "canceled"}:
                found.append(failure(child))
            elif probabilities is not None:
                found.append(self._outcome(batch, run, document, probabilities))
            elif status == "completed":
                found.append(self._by_itself(batch, run, document, child, few=alone <= _MOST_ALONE))
            elif status:
                found.append(Pending(child))
            else:
                found.append(_untold(document) if completed else failure(document))
        if not any(isinstance(each, Outcome) for each in found):
            # hardly the fault of each child by itself
            return [Pending(document, each) if isinstance(each, InvalidResultError) else each for each in found], None
        return found, charged

    def _children(self, batch: Batch, runs: Sequence[Run]) -> list[Child]:
        return identify(
            [child_name(index, run) for index, run in enumerate(runs)],
            lambda: self._ionq.job(batch.remote_id),
            lambda page: self._ionq.children(batch.remote_id, page),
            PAGE,
        )

    def _shares(self, document: Document) -> Mapping[str, Any]:
        """What the job says of all its children at once; nothing where it still runs, or where that makes no sense."""
        if document.get("status") not in ENDED:
            return {}
        try:
            shares = self._ionq.probabilities(document)
        except (InvalidResultError, IonQRefusedError) as error:
            logger.info("IonQ's job %s has no results of its own: %s", document.get("id"), error)
            return {}
        return shares if isinstance(shares, Mapping) else {}

    def _documents(self, children: Sequence[Child], known: Sequence[Distribution | None]) -> list[Document]:
        """What IonQ says of each child, asked for where it gave no share; empty where it says nothing."""
        documents = {child.remote_id: child.document for child in children if child.document is not None}
        unread = [
            child.remote_id
            for child, probabilities in zip(children, known, strict=True)
            if probabilities is None and child.document is None
        ]
        for start in range(0, len(unread), PAGE):
            documents.update(self._ask(self._ionq.jobs, unread[start : start + PAGE]))
        return [documents.get(child.remote_id, {}) for child in children]

    def _by_itself(self, batch: Batch, run: Run, document: Document, child: Document, *, few: bool) -> Found:
        """The outcome of a child that completed, and has no share in the job's results that makes sense."""
        if not few:
            return Pending(child, _untold(document))
        try:
            with self._guard():
                probabilities = self._own(run, child)
        except InvalidResultError as error:
            return error
        except IonQUnavailableError as error:
            # IonQ answered for the job a moment ago: this may be about the child, and must not hold up the others
            return Pending(child, _unreadable(child, error))
        return self._outcome(batch, run, document, probabilities)

    def _own(self, run: Run, document: Document) -> Distribution:
        """The distribution of a job, or child, that stands for one circuit.

        Raises:
            InvalidResultError: It has none.
            TransientError: IonQ could not be asked.
        """
        read = self._ionq.shots if run.format == "qasm3" else self._ionq.probabilities
        try:
            share = read(document)
        except IonQRefusedError as error:
            raise _unreadable(document, error) from error
        return _distribution(run, share)

    def _outcome(self, batch: Batch, run: Run, document: Document, probabilities: Distribution) -> Outcome:
        return measure(
            run,
            probabilities,
            remote_id=batch.remote_id,
            sent=batch.submitted_at,
            done=self._clock(),
            quantum_seconds=_billed(document, len(batch.run_ids)),
            usd=0.0 if batch.group.backend == "simulator" else None,
        )

    def _ask(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._guard():
            return request(*args, **kwargs)


def _distribution(run: Run, share: Any) -> Distribution:
    """Make sure of a result.

    Raises:
        InvalidResultError: It is none.
    """
    if run.format == "qasm3":
        return tally(share, run.width, run.group.shots)
    return check_distribution(share, run.width)


def _checked(run: Run, share: Any) -> Distribution | None:
    try:
        return _distribution(run, share)
    except InvalidResultError:
        return None


def _unreadable(document: Document, error: QstoreError) -> InvalidResultError:
    return InvalidResultError(f"IonQ's job {document.get('id')} completed and its result cannot be read: {error}")


def _untold(document: Document) -> InvalidResultError:
    return InvalidResultError(f"The result of IonQ's job {document.get('id')} leaves the circuit out.")


def _billed(document: Document, circuits: int) -> float | None:
    """Seconds of quantum compute time billed for one circuit's share of the job."""
    microseconds = (document.get("stats") or {}).get("billed_quantum_compute_time_us")
    return microseconds / 1e6 / circuits if isinstance(microseconds, int | float) else None
