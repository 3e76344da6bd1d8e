"""A producer under a test's own keys, with a pipeline of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from celery.result import AsyncResult
from qiskit import QuantumCircuit

from qstore.app import app
from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.entries import Entries
from qstore.job import Options
from qstore.preparation import Caller, Preparation, Prepared
from qstore.runs import Runs
from qstore.state.budget import Budget
from qstore.state.cancellations import Cancellations
from qstore.state.claims import Claims
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.submission import Submission, Submitted


class Producer:
    """Submits circuits under the test's own keys."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        size: int = 3,
        timeout: float = 0.0,
        max_queued: int = 1000,
        queue_timeout: float = 0.0,
        start: int = 0,
    ) -> None:
        self.connection = connection
        self.keys = keys
        claims = Claims(connection, keys, Budget(connection, keys, max_queued), size, timeout)
        entries = Entries(app, connection, keys)
        self.compiler = Compiler()
        self.preparation = Preparation(Recognition(), self.compiler, entries, max_age=300.0)
        self.submission = Submission(claims, Runs(self.compiler, size), entries, queue_timeout)
        self.cancellations = Cancellations(connection, keys, entries.revoked)
        self._count = start

    def submit(self, count: int, **options: Any) -> list[AsyncResult]:
        """Submit circuits that are all different."""
        return [AsyncResult(each.job_id, app=app) for each in self.submitted(count, **options)]

    def submitted(self, count: int, **options: Any) -> list[Submitted]:
        """Submit circuits; what became of each at the door."""
        prepared = []
        for _ in range(count):
            self._count += 1
            prepared.append(self._prepare(self._count, Caller(f"{self.keys.prefix}{self._count}"), **options))
        return self.submission.submit(prepared)

    def ask(self, number: int, job_id: str, **caller: Any) -> AsyncResult:
        """Submit one of those circuits for somebody, in the words of `Caller`; each is known by its number, from 1."""
        caller_of = Caller(f"{self.keys.prefix}{job_id}", **caller)
        (submitted,) = self.submission.submit([self._prepare(number, caller_of)])
        if submitted.error is not None:
            raise submitted.error
        return AsyncResult(submitted.job_id, app=app)

    def cancel(self, *results: AsyncResult) -> list[bool]:
        """Cancel jobs, as `qstore.cancel` does."""
        return self.cancellations.cancel([result.id for result in results])

    def left(self) -> list[str]:
        """What is in Redis besides cached results, and what Flower and the breakers keep for a while."""
        kept = ("result", "circuit", "tally", "hits", "arrivals", "breaker:")
        names = (key.decode() for key in self.connection.client.scan_iter(f"{self.keys.prefix}*"))
        return [name for name in names if not name.removeprefix(self.keys.prefix).startswith(kept)]

    def _prepare(self, number: int, caller: Caller, **options: Any) -> Prepared:
        circuit = QuantumCircuit(2, 2, name="bell")
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.ry(number / 10, 0)
        circuit.ry(-number / 10, 1)
        circuit.measure([0, 1], [0, 1])
        return self.preparation.prepare(caller, circuit, Options(shots=50, **options))

    def records(self) -> list[Any]:
        """The ledger's records."""
        return list(self.connection.client.scan_iter(f"{self.keys.prefix}batch:*"))

    def states(self) -> set[str]:
        """The states of those records."""
        return {self.connection.hash_field(record, "state") for record in self.records()}


def all_over(producer: Producer, results: Sequence[AsyncResult]) -> Callable[[], bool]:
    """Every job has ended, and no batch is left."""
    return lambda: all(result.ready() for result in results) and not producer.records()
