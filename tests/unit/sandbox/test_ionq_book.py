"""The book of every purchase: what counts as bought twice, what has to be paid, and that memory stays bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qstore.sandbox.ionq.book import Book
from qstore.sandbox.ionq.job import Outcome
from qstore.sandbox.ionq.ledger import Ledger
from qstore.sandbox.ionq.order import Order, read_order

H = [{"gate": "h", "target": 0}]
X = [{"gate": "x", "target": 0}]
DONE, BROKEN = Outcome(), Outcome(failure=("InternalError", "it broke"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def single(circuit: list[dict[str, Any]] = H, qubits: int | None = None, **fields: Any) -> Order:
    given = {"gateset": "qis", "circuit": circuit, **({} if qubits is None else {"qubits": qubits})}
    return read(type="ionq.circuit.v1", input=given, **fields)


def multi(*circuits: list[dict[str, Any]], **fields: Any) -> Order:
    children = [{"name": f"c{place}", "circuit": each} for place, each in enumerate(circuits)]
    return read(type="ionq.multi-circuit.v1", input={"gateset": "qis", "circuits": children}, **fields)


def program(text: str) -> Order:
    return read(type="ionq.qasm3.v1", input={"data": f"OPENQASM 3.0; {text}"})


def read(**body: Any) -> Order:
    return read_order(json.dumps({"backend": "simulator", **body}).encode())


SAME: dict[str, tuple[Order, Order]] = {
    "named otherwise": (single(name="a", metadata={"a": "b"}), single(name="b")),
    "the fields of a gate in another order": (single([{"target": 0, "gate": "h"}]), single()),
    "alone or among others": (single(), multi(H)),
    "the width that it has anyway": (single(qubits=1), single()),
    "the ideal simulator, asked for or not": (single(noise={"model": "ideal", "seed": 3}), single()),
    "the shots that are asked for by default": (single(shots=100), single()),
}
OTHER: dict[str, tuple[Order, Order]] = {
    "another circuit": (single(), single(X)),
    "another order of gates": (single(H + X), single(X + H)),
    "another width": (single(), single(qubits=2)),
    "other shots": (single(), single(shots=101)),
    "another backend": (single(), single(backend="qpu.aria-1")),
    "noise": (single(), single(noise={"model": "aria-1"})),
    "another seed": (
        single(noise={"model": "aria-1", "seed": 1}),
        single(noise={"model": "aria-1", "seed": 2}),
    ),
    "other settings": (single(), single(settings={"error_mitigation": {"debiasing": False}})),
    "a dry run": (single(), single(dry_run=True)),
    "another program": (program("qubit q;"), program("qubit[2] q;")),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_purchase_is_recognized(case: str) -> None:
    one, other = SAME[case]
    assert one.purchases == other.purchases
    assert len(one.purchases) == 32


@pytest.mark.parametrize("case", OTHER)
def test_another_purchase_is_told_apart(case: str) -> None:
    one, other = OTHER[case]
    assert one.purchases != other.purchases


def test_figures_tell_what_was_bought_twice_and_what_is_paid() -> None:
    clock = Clock()
    ledger = Ledger(latency=10, clock=clock)
    orders = [multi(H, X), single(H), single(X), single(dry_run=True), single(shots=7)]
    good, bad, canceled, _dry, deleted = jobs = [ledger.accept(each) for each in orders]
    assert ledger.book.figures() == {
        "jobs_canceled": 0,
        "jobs_failed": 0,
        "circuits_distinct": 4,
        "circuits_duplicate": 2,
        "circuits_paid": 6,
    }
    canceled.cancel(clock.now)
    ledger.delete(deleted)
    for job in jobs:
        job.settle([BROKEN if job is bad else DONE] * len(job.leaves), clock.now)
    clock.now += 10
    ledger.delete(good)
    assert ledger.book.figures() == {
        "jobs_canceled": 2,
        "jobs_failed": 1,
        "circuits_distinct": 4,
        "circuits_duplicate": 2,
        "circuits_paid": 2,
    }
    statuses = [each["status"] for each in ledger.book.documents()]
    assert statuses == ["completed", "failed", "canceled", "completed", "canceled"]


def test_an_entry_tells_what_was_bought() -> None:
    ledger = Ledger(latency=10, clock=Clock())
    order = multi(H, X, H, name="three", metadata={"nonce": "n"}, shots=7, backend="qpu.aria-1")
    job = ledger.accept(order)
    (entry,) = ledger.book.documents()
    circuits = entry.pop("circuits")
    assert entry == {
        "id": job.id,
        "name": "three",
        "metadata": {"nonce": "n"},
        "backend": "qpu.aria-1",
        "shots": 7,
        "dry_run": False,
        "status": "submitted",
        "submitted_at": "1970-01-01T00:16:40.000Z",
    }
    assert circuits[0] == circuits[2] != circuits[1]
    assert all(len(bytes.fromhex(each)) == 32 for each in circuits)


@pytest.mark.parametrize("limits", [{"max_circuits": 5}, {"max_metadata": 25}])
def test_the_oldest_entries_go_and_the_figures_stay(limits: dict[str, int]) -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    ledger.book = Book(clock, **limits)
    jobs = [ledger.accept(multi(H, X, shots=place + 1, metadata={"place": f"{place:5}"})) for place in range(4)]
    assert [each["id"] for each in ledger.book.documents()] == [job.id for job in jobs[2:]]
    for job in jobs:
        job.cancel(clock.now)
    figures = ledger.book.figures()
    assert (figures["circuits_distinct"], figures["jobs_canceled"], figures["circuits_paid"]) == (8, 4, 0)


def test_only_so_many_circuits_are_known_again() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    ledger.book = Book(clock, max_known=2)
    for shots in (1, 2, 2, 3, 1):
        ledger.accept(single(shots=shots))
    assert ledger.book.figures()["circuits_duplicate"] == 1
