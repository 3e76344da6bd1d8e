"""Faults: what one is, when it strikes, and what those do that need no server. Time stands still unless moved."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any, cast

import httpx
import pytest

from qstore.sandbox.ionq import create_app
from qstore.sandbox.ionq.content import ChildFailed, ChildrenReordered, EmptyChild, MissingChild, Reordered
from qstore.sandbox.ionq.fault import Armed
from qstore.sandbox.ionq.faults import KINDS, Faults, InvalidFaultError, read_fault
from qstore.sandbox.ionq.job import Outcome, State
from qstore.sandbox.ionq.ledger import Filter, Ledger
from qstore.sandbox.ionq.order import Order, read_order
from qstore.sandbox.ionq.rate import RateLimit

POST, GET, LIST = "POST /jobs", "GET /jobs/{id}", "GET /jobs"
FEWEST: dict[str, dict[str, Any]] = {  # what each kind cannot do without
    "stall": {"stall": 1},
    "stall_after": {"stall": 1},
    "outage": {"seconds": 1},
    "rate_limit": {"rate": 1},
    "child_slow": {"delay": 1},
    "list_lag": {"lag": 1},
    "slow": {"latency": 1},
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def faults(clock: Clock | None = None) -> Faults:
    return Faults({POST, GET, LIST}, find=lambda _: None, clock=clock or Clock())


def armed(kind: str = "error", now: float = 0.0, **fields: Any) -> Armed:
    return Armed(1, KINDS[kind].model_validate({"kind": kind, **fields}), now)


def order(circuits: int) -> Order:
    children = [{"circuit": [{"gate": "h", "target": 0}]} for _ in range(circuits)]
    body = {"type": "ionq.multi-circuit.v1", "input": {"gateset": "qis", "circuits": children}}
    return read_order(json.dumps({"backend": "simulator", **body}).encode())


# -- when ---------------------------------------------------------------------------------------------------

STRIKES: dict[str, tuple[dict[str, Any], str]] = {  # of ten requests, x is struck
    "nothing else is given": ({}, "x........."),
    "a count": ({"count": 3}, "xxx......."),
    "those spared": ({"after": 2}, "..x......."),
    "those spared and a count": ({"after": 2, "count": 3}, "..xxx....."),
    "always": ({"probability": 1.0}, "xxxxxxxxxx"),
    "never": ({"probability": 0.0}, ".........."),
    "a time that has not passed": ({"seconds": 60}, "xxxxxxxxxx"),
    "a time and a count": ({"seconds": 60, "count": 2}, "xx........"),
    "certainty and a count": ({"probability": 1.0, "count": 2}, "xx........"),
}


@pytest.mark.parametrize("case", STRIKES)
def test_a_fault_strikes_as_often_as_it_says(case: str) -> None:
    fields, expected = STRIKES[case]
    found = armed(**fields)
    assert "".join("x" if found.strikes(POST, now=1.0) else "." for _ in expected) == expected
    assert found.struck == expected.count("x")
    assert found.left is None or found.left == found.fault.limit - found.struck  # type: ignore[operator]  # then it has a limit


def test_chance_repeats_with_its_seed_and_differs_without() -> None:
    def run(seed: int) -> list[bool]:
        found = armed(probability=0.3, seed=seed)
        return [found.strikes(POST, now=1.0) for _ in range(1000)]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert 250 < sum(run(7)) < 350  # more than three standard deviations


def test_a_fault_ends_when_its_time_is_over() -> None:
    found = armed(now=100.0, seconds=5)
    assert found.strikes(POST, now=104.9)
    assert not found.strikes(POST, now=105.0)
    assert found.document(105.0)["active"] is False


@pytest.mark.parametrize(
    ("kind", "fields", "struck"),
    [
        ("error", {"endpoint": "*"}, [POST, GET, LIST]),
        ("error", {"endpoint": GET}, [GET]),
        ("slow", {"latency": 1}, [POST]),
        ("slow", {"latency": 1, "endpoint": POST}, [POST]),
        ("children_reordered", {}, [GET]),
    ],
)
def test_a_fault_minds_its_own_endpoint(kind: str, fields: dict[str, Any], struck: list[str]) -> None:
    found = armed(kind, **fields, probability=1.0)
    assert [each for each in (POST, GET, LIST) if found.strikes(each, now=1.0)] == struck


@pytest.mark.parametrize("kind", ["slow", "list_lag", "rate_limit", "outage"])
def test_what_is_a_condition_lasts(kind: str) -> None:
    assert armed(kind, **FEWEST[kind]).left is None


def test_a_request_that_is_in_order_costs_no_count() -> None:
    found = armed(count=1)
    assert not found.strikes(POST, 1.0, spares=lambda: True)
    assert found.left == 1
    assert found.strikes(POST, 1.0)


# -- what a fault is ----------------------------------------------------------------------------------------

INVALID: dict[str, tuple[Any, str]] = {
    "no object": (3, "`kind` is one of throttle, "),
    "no kind": ({}, "`kind` is one of throttle, "),
    "an unknown kind": ({"kind": "eror"}, "`kind` is one of throttle, "),
    "a kind that is no text": ({"kind": ["error"]}, "`kind` is one of throttle, "),
    "an unknown field": ({"kind": "error", "stats": 503}, "stats: .* error takes kind, endpoint, count, "),
    "an endpoint nobody has": ({"kind": "error", "endpoint": "POST /job"}, r"`endpoint` is \* or one of GET /jobs, "),
    "no error": ({"kind": "error", "status": 404}, "status: .*500"),
    "an expired key of another status": ({"kind": "unauthorized", "status": 404}, "status: .*401 or 403"),
    "no length": ({"kind": "stall"}, "stall: .*required"),
    "no end": ({"kind": "outage"}, "seconds: .*required"),
    "never": ({"kind": "error", "count": 0}, "count: "),
    "more than certain": ({"kind": "error", "probability": 1.5}, "probability: "),
    "half a count": ({"kind": "error", "count": 1.5}, "count: "),
    "text for a number": ({"kind": "error", "count": "1"}, "count: "),
    "a header that is none": ({"kind": "throttle", "retry_after": "1\r\nX: y"}, "retry_after"),
    "an unknown code": ({"kind": "job_failed", "code": "Boom"}, "code: .*'TooManyGates'"),
    "two ways to choose": ({"kind": "child_failed", "n": 1, "positions": [0]}, "`n` or `positions`"),
    "an endpoint it cannot strike": (
        {"kind": "slow", "latency": 1, "endpoint": GET},
        r"`endpoint` can only be \* or POST /jobs for slow",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_what_is_no_fault_is_named_with_its_remedy_and_adds_nothing(case: str) -> None:
    given, reason = INVALID[case]
    found = faults()
    with pytest.raises(InvalidFaultError, match=f"^fault 1: .*{reason}"):
        found.add([{"kind": "error"}, given])
    assert found.documents() == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_needs_no_more_than_it_has_to(kind: str) -> None:
    given = {"kind": kind, **FEWEST.get(kind, {})}
    (added,) = Faults({"PUT /jobs/status/cancel"}, find=lambda _: None, clock=Clock()).add(given)
    assert added == {**added, **given, "id": 1, "endpoint": "*", "struck": 0, "active": True}


SHORT: dict[str, Any] = {
    "drop": {"kind": "drop"},
    "POST /jobs: error status=503 probability=0.2 seed=7": {
        "kind": "error",
        "endpoint": POST,
        "status": 503,
        "probability": 0.2,
        "seed": 7,
    },
    "*: child_failed positions=[0,2] code=TooManyShots": {
        "kind": "child_failed",
        "endpoint": "*",
        "positions": [0, 2],
        "code": "TooManyShots",
    },
    '{"kind": "drop"}': {"kind": "drop"},
}


@pytest.mark.parametrize("text", SHORT)
def test_a_fault_on_the_command_line_is_json_or_short(text: str) -> None:
    assert read_fault(text) == SHORT[text]


@pytest.mark.parametrize("text", ["", "POST /jobs: ", "drop now", '{"kind":', "POST /jobs: error status"])
def test_a_fault_on_the_command_line_that_is_neither_says_so(text: str) -> None:
    with pytest.raises(InvalidFaultError, match="neither JSON nor"):
        read_fault(text)


# -- what it does -------------------------------------------------------------------------------------------


def kind(name: str, **fields: Any) -> Any:
    return KINDS[name].model_validate({"kind": name, **fields})


@pytest.mark.parametrize(
    ("fields", "failed"), [({"positions": [0, 2, 9]}, [0, 2]), ({"n": 2}, None), ({"n": 9}, [0, 1, 2, 3])]
)
def test_some_children_of_a_job_fail(fields: dict[str, Any], failed: list[int] | None) -> None:
    job = Ledger(clock=Clock()).accept(order(4))
    fault = cast("ChildFailed", kind("child_failed", code="TooManyShots", **fields))
    assert fault.fits(job)
    fault.change(job, random.Random(1))
    job.settle([Outcome() for _ in job.leaves], 1000.0)
    states = [child.state(1000.0) for child in job.children]
    found = [place for place, state in enumerate(states) if state is State.FAILED]
    assert len(found) == 2 if failed is None else found == failed
    assert all(
        child.outcome and child.outcome.failure and child.outcome.failure[0] == "TooManyShots"
        for child, state in zip(job.children, states, strict=True)
        if state is State.FAILED
    )
    assert job.state(1000.0) is (State.FAILED if len(found) == 4 else State.COMPLETED)


def test_a_slow_child_ends_after_its_job() -> None:
    job = Ledger(latency=10, clock=Clock()).accept(order(2))
    kind("child_slow", positions=[1], delay=5).change(job, random.Random(1))
    job.settle([Outcome(), Outcome()], 1001.0)
    assert [each.state(1010.0) for each in (job, *job.children)] == [State.COMPLETED, State.COMPLETED, State.STARTED]
    assert job.children[1].state(1015.0) is State.COMPLETED


def test_a_failed_job_has_no_good_child() -> None:
    job = Ledger(clock=Clock()).accept(order(2))
    kind("job_failed", code="QuotaExhaustedError").change(job, random.Random(1))
    job.settle([Outcome(), Outcome()], 1000.0)
    assert [each.state(1000.0) for each in (job, *job.children)] == [State.FAILED] * 3


def test_a_job_that_lists_lag_behind_is_found_by_its_id() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    old, new = ledger.accept(order(1)), ledger.accept(order(1))
    kind("list_lag", lag=5).change(new, random.Random(1))
    assert ledger.search(Filter(), 10)[0] == [old]
    assert ledger.search(Filter(ids=frozenset({new.id})), 10)[0] == [new]
    assert ledger.find(new.id) is new
    clock.now += 5
    assert ledger.search(Filter(), 10)[0] == [new, old]


def test_a_forgotten_job_is_known_to_nobody_once_its_time_comes() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    job = ledger.accept(order(2))
    kind("forgotten", delay=5).change(job, random.Random(1))
    everything = (Filter(), Filter(ids=frozenset({job.id})), Filter(parent_id=job.id))
    assert [len(ledger.search(only, 10)[0]) for only in everything] == [1, 1, 2]
    clock.now += 5
    assert [len(ledger.search(only, 10)[0]) for only in everything] == [0, 0, 0]
    assert [ledger.find(each.id) for each in (job, *job.children)] == [None] * 3


def test_answers_lose_children_or_their_content_or_their_order() -> None:
    answer = {str(each): {"0": 1.0} for each in range(4)}

    def changed(fault: MissingChild | EmptyChild | Reordered) -> dict[str, Any]:
        found: dict[str, Any] = dict(answer)
        fault.change(found, random.Random(3))
        return found

    assert list(changed(kind("missing_child", positions=[1]))) == ["0", "2", "3"]
    assert len(changed(kind("missing_child", n=3))) == 1
    assert changed(kind("empty_child", positions=[0])) == {**answer, "0": {}}
    reordered = changed(kind("reordered"))
    assert reordered == answer
    assert list(reordered) != list(answer)


@pytest.mark.parametrize("children", [None, [], ["a"]])
def test_what_has_no_other_order_is_not_reordered(children: list[str] | None) -> None:
    assert not cast("ChildrenReordered", kind("children_reordered")).fits({"child_job_ids": children})


def test_children_are_named_in_another_order() -> None:
    document = {"child_job_ids": ["a", "b"]}
    kind("children_reordered").change(document, random.Random(1))
    assert document == {"child_job_ids": ["b", "a"]}


def test_where_no_connection_can_be_closed_a_drop_is_an_error() -> None:
    app = create_app(faults=[{"kind": "drop"}])

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stand-in") as client:
            await client.get("/v0.4/backends")

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(ask())


# -- the rate limit -----------------------------------------------------------------------------------------


def test_a_key_may_ask_so_often_and_no_more() -> None:
    clock = Clock()
    limit = RateLimit(rate=2, burst=3, clock=clock)
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b") == 0
    clock.now += 0.25
    assert limit.wait("a") == 0.25
    clock.now += 0.25
    assert limit.wait("a") == 0
    clock.now += 3600
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
