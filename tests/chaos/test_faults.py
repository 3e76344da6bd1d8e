"""Each fault IonQ may commit, at each endpoint a worker uses: the jobs end as if nothing had been."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial
from conditions import wait_until

pytestmark = pytest.mark.full

ENDPOINTS = {
    "submit": "POST /jobs",
    "list": "GET /jobs",
    "job": "GET /jobs/{id}",
    "results": "GET /jobs/{id}/results/probabilities/aggregated",
    "result": "GET /jobs/{id}/results/probabilities",
    "cancel": "PUT /jobs/{id}/status/cancel",
}

_SETTINGS = {
    "QSTORE_BATCH_SIZE": "30",  # more than IonQ lists at once: then the job itself is asked for its children
    "QSTORE_FAILURE_WINDOW": "0.5",  # so that the breakers forget one scenario before the next
    "QSTORE_JOB_TIMEOUT_SIMULATOR": "4",
}

Fault = dict[str, Any]

_TWICE: list[Fault] = [
    {"count": 2, "kind": "throttle", "retry_after": 0.5},
    {"count": 2, "kind": "throttle"},
    {"count": 2, "kind": "error", "status": 500},
    {"count": 2, "kind": "error", "status": 503},
    {"count": 2, "kind": "html", "status": 502},
    {"count": 2, "kind": "unauthorized", "status": 401},
    {"count": 2, "kind": "unauthorized", "status": 403},
    {"count": 2, "kind": "accept_then", "status": 504},
    {"count": 2, "kind": "drop"},
    {"count": 2, "kind": "drop_after"},
    {"count": 2, "kind": "stall", "stall": 1.5},
    {"count": 2, "kind": "stall_after", "stall": 1.5},
]
_OUTAGE: Fault = {"kind": "outage", "seconds": 1.5, "mode": "mixed"}
_RATE_LIMIT: Fault = {"kind": "rate_limit", "rate": 1, "seconds": 3}

_REQUESTS = [
    *((at, fault) for at in ("submit", "list", "job", "results") for fault in (*_TWICE, _OUTAGE, _RATE_LIMIT)),
    *(("result", fault) for fault in (*_TWICE, _OUTAGE)),  # asked once in a scenario, which is within any rate limit
]
"""What may befall a request."""

_CONTENT: list[list[Fault]] = [
    [{"kind": "list_lag", "lag": 0.25}, {"kind": "drop_after", "endpoint": ENDPOINTS["submit"], "count": 2}],
    [{"kind": "slow", "latency": 2.0}],
    [{"kind": "child_slow", "delay": 1.0, "n": 2}],
    [{"kind": "missing_child", "n": 3}],
    [{"kind": "empty_child", "n": 3}],
    [{"kind": "reordered", "count": 4}],
    [{"kind": "children_reordered", "count": 4}],
]
"""What an answer, or a job, may be like without harm."""

_FATAL: list[tuple[Fault, str, bool]] = [
    ({"kind": "job_failed", "code": "SimulationError"}, "IonQJobFailedError", True),
    ({"kind": "child_failed", "n": 2}, "IonQJobFailedError", False),
    ({"kind": "forgotten"}, "JobTimeoutError", False),
]
"""What some circuits do not survive, with which error, and whether IonQ gives the money back."""

_SLOW: Fault = {"kind": "slow", "latency": 8.0, "count": 1}
_CANCELS: list[Fault] = [*_TWICE, {**_OUTAGE, "seconds": 6}]


def name(*faults: Fault) -> str:
    """How the board calls faults."""
    return " + ".join(
        " ".join(str(value) for field, value in fault.items() if field not in {"count", "endpoint"}) for fault in faults
    )


def label(value: object) -> str:
    """How pytest calls them."""
    return name(value) if isinstance(value, dict) else str(value)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, scoreboard: Scoreboard) -> Iterator[Trial]:
    """A house for all of them, one after the other."""
    with Trial(tmp_path_factory.mktemp("faults"), scoreboard, settings=_SETTINGS) as running:
        yield running


def strike(trial: Trial, scenario: str, faults: list[Fault], fails: str = "", *, refunded: bool = True) -> None:
    """Full batches and a lonely circuit, while IonQ commits the faults."""
    trial.fail(*faults)
    for _ in range(5):
        # how replicas cut the batches is up to them, and some requests are made for large ones only
        trial.submit(61, 15)
        wait_until(lambda: trial.strikes() or trial.all_ended, within=60, what="a strike")
        if trial.strikes():
            break
    struck = time.time()
    trial.wait_until_ended()
    strikes = trial.strikes()
    trial.mend()
    trial.score(scenario, since=struck, fails=fails, refunded=refunded, note=f"struck {sum(strikes)} x")
    assert len(strikes) == len(faults)


@pytest.mark.parametrize(("at", "fault"), _REQUESTS, ids=label)
def test_a_request_that_goes_wrong_costs_nobody_a_job(trial: Trial, at: str, fault: Fault) -> None:
    strike(trial, f"{name(fault)} at {at}", [{**fault, "endpoint": ENDPOINTS[at]}])


@pytest.mark.parametrize("faults", _CONTENT, ids=lambda faults: name(*faults))
def test_an_answer_that_is_strange_costs_nobody_a_job(trial: Trial, faults: list[Fault]) -> None:
    strike(trial, name(*faults), faults)


@pytest.mark.parametrize(("fault", "error", "refunded"), _FATAL, ids=label)
def test_what_ionq_does_not_bring_to_an_end_fails_and_is_not_bought_again(
    trial: Trial, fault: Fault, error: str, refunded: bool
) -> None:
    strike(trial, name(fault), [fault], error, refunded=refunded)


@pytest.mark.parametrize("fault", _CANCELS, ids=label)
def test_what_takes_too_long_is_canceled_whatever_befalls_the_cancel(trial: Trial, fault: Fault) -> None:
    strike(trial, f"{name(fault)} at cancel", [_SLOW, {**fault, "endpoint": ENDPOINTS["cancel"]}], "JobTimeoutError")


def test_what_is_canceled_too_late_is_paid_and_its_counts_are_used(trial: Trial) -> None:
    strike(trial, "late_cancel", [_SLOW, {"kind": "late_cancel", "seconds": 30}])
