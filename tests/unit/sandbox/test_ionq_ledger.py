"""Jobs by the clock, and what the ledger keeps of them. Time stands still unless a test moves it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qstore.sandbox.ionq.job import Job, Outcome, State
from qstore.sandbox.ionq.ledger import Filter, Ledger
from qstore.sandbox.ionq.order import Order, read_order

DONE = Outcome({"probabilities": b'{"0":1.0}'})
BROKEN = Outcome(failure=("SimulationError", "too wide"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def order(circuits: int = 1, **fields: Any) -> Order:
    gates = [{"gate": "h", "target": 0}]
    if circuits == 1:
        body = {"type": "ionq.circuit.v1", "input": {"gateset": "qis", "circuit": gates}}
    else:
        children = [{"name": str(each), "circuit": gates} for each in range(circuits)]
        body = {"type": "ionq.multi-circuit.v1", "input": {"gateset": "qis", "circuits": children}}
    return read_order(json.dumps({"backend": "simulator", **body, **fields}).encode())


def finished(ledger: Ledger, asked: Order, outcome: Outcome = DONE) -> Job:
    job = ledger.accept(asked)
    job.settle([outcome for _ in job.leaves], ledger.clock())
    ledger.weigh(job)
    return job


def test_a_job_goes_through_its_states_as_time_goes_by() -> None:
    clock = Clock()
    job = finished(Ledger(latency=10, clock=clock), order())
    seen = []
    for second in range(11):
        clock.now = 1000.0 + second
        seen.append(job.state(clock.now))
    assert seen == [
        State.SUBMITTED,
        *[State.READY] * 4,
        *[State.STARTED] * 5,
        State.COMPLETED,
    ]


def test_a_job_is_not_completed_before_it_is_simulated() -> None:
    clock = Clock()
    job = Ledger(latency=1, clock=clock).accept(order())
    clock.now += 100
    assert job.state(clock.now) is State.STARTED
    job.settle([DONE], clock.now)
    assert job.state(clock.now) is State.COMPLETED
    assert job.completed_at == clock.now


def test_a_job_fails_only_at_its_end() -> None:
    clock = Clock()
    job = finished(Ledger(latency=10, clock=clock), order(), BROKEN)
    assert job.state(clock.now + 9) is State.STARTED
    assert job.state(clock.now + 10) is State.FAILED


def test_a_cancel_before_the_end_holds_and_one_after_changes_nothing() -> None:
    clock = Clock()
    early, late = (finished(Ledger(latency=10, clock=clock), order(2)) for _ in range(2))
    early.cancel(clock.now + 9)
    late.cancel(clock.now + 10)
    end = clock.now + 11
    assert [job.state(end) for job in (early, *early.children)] == [State.CANCELED] * 3
    assert [job.state(end) for job in (late, *late.children)] == [State.COMPLETED] * 3


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([DONE, DONE], State.COMPLETED),
        ([DONE, BROKEN], State.COMPLETED),
        ([BROKEN, BROKEN], State.FAILED),
    ],
)
def test_a_job_of_many_circuits_fails_only_where_all_do(outcomes: list[Outcome], state: State) -> None:
    clock = Clock()
    job = Ledger(clock=clock).accept(order(2))
    job.settle(outcomes, clock.now)
    assert job.state(clock.now) is state


def test_old_jobs_are_forgotten_with_their_children() -> None:
    clock = Clock()
    ledger = Ledger(max_age=60, clock=clock)
    old = finished(ledger, order(2))
    clock.now += 61
    recent = finished(ledger, order())
    assert [ledger.find(job.id) for job in (old, *old.children)] == [None] * 3
    assert ledger.find(recent.id) is recent


def test_the_oldest_are_forgotten_beyond_so_many_circuits() -> None:
    ledger = Ledger(max_circuits=3, clock=Clock())
    jobs = [finished(ledger, order(2)) for _ in range(3)]
    assert [ledger.find(job.id) is job for job in jobs] == [False, False, True]


def test_the_oldest_are_forgotten_beyond_so_many_bytes() -> None:
    ledger = Ledger(max_bytes=2 * len(DONE.results["probabilities"]), clock=Clock())
    jobs = [finished(ledger, order()) for _ in range(4)]
    assert [ledger.find(job.id) is job for job in jobs] == [False, True, True, True]


def test_a_job_under_way_is_never_forgotten() -> None:
    clock = Clock()
    ledger = Ledger(max_age=60, max_circuits=1, clock=clock)
    under_way = ledger.accept(order())
    done = finished(ledger, order())
    clock.now += 1000
    ledger.accept(order())
    assert ledger.find(under_way.id) is under_way
    assert ledger.find(done.id) is None


def test_pages_join_up_while_new_jobs_come_in() -> None:
    ledger = Ledger(clock=Clock())
    jobs = [ledger.accept(order()) for _ in range(5)]
    seen: list[Job] = []
    following: int | None = None
    while True:
        page, following = ledger.search(Filter(), 2, following)
        seen += page
        ledger.accept(order())
        if following is None:
            break
    assert seen == jobs[::-1]


def test_filters_narrow_a_list() -> None:
    clock = Clock()
    ledger = Ledger(latency=10, clock=clock)
    parent = finished(ledger, order(2))
    clock.now += 11
    hardware = ledger.accept(order(backend="qpu.forte-1", session_id="s"))
    assert ledger.search(Filter(), 9)[0] == [hardware, parent]
    assert ledger.search(Filter(state=State.COMPLETED), 9)[0] == [parent]
    assert ledger.search(Filter(backends=frozenset(["qpu.forte-1"])), 9)[0] == [hardware]
    assert ledger.search(Filter(session_id="s"), 9)[0] == [hardware]
    assert ledger.search(Filter(parent_id=parent.id), 9)[0] == list(parent.children[::-1])
    assert ledger.search(Filter(ids=frozenset([parent.children[0].id, "nobody"])), 9)[0] == [parent.children[0]]
