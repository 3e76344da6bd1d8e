"""A batch is looked at when it is worth while, no later than its timeout, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from qstore.errors import BreakerOpen, IonQThrottledError, IonQUnavailableError, QstoreError
from qstore.job import Batch, Group
from workers.pace import Pace

SUBMITTED = 1_000_000.0  # epoch seconds


class Clock:
    now = SUBMITTED

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(floor=1.0, ceiling=30.0, timeout_simulator=600.0, timeout_qpu=6000.0, clock=clock, grace=60.0)


def batch(backend: str = "simulator", looks: int = 0) -> Batch:
    return Batch("b", "n", Group(backend, 10), ("r",), "submitted", "0", "job", SUBMITTED, SUBMITTED, looks)


def predicting(wait: Any, execution: Any = None) -> dict[str, Any]:
    return {
        "submitted_at": datetime.fromtimestamp(SUBMITTED, UTC).isoformat(),
        "predicted_wait_time_ms": wait,
        "predicted_execution_duration_ms": execution,
    }


def test_ionq_s_prediction_counts_from_submission(pace: Pace, clock: Clock) -> None:
    assert pace.pause(batch(), predicting(1000, 9000)) == pytest.approx(10)
    clock.now += 4
    assert pace.pause(batch(), predicting(1000, 9000)) == pytest.approx(6)


def test_a_start_far_away_is_worth_a_look(pace: Pace, clock: Clock) -> None:
    assert pace.pause(batch(), predicting(8000, 2000)) == pytest.approx(8)
    clock.now += 8
    assert pace.pause(batch(), predicting(8000, 2000)) == pytest.approx(2)


def test_a_prediction_is_kept_between_floor_and_ceiling(pace: Pace) -> None:
    assert pace.pause(batch(), predicting(10)) == 1.0
    assert pace.pause(batch(), predicting(3_600_000)) == 30.0


@pytest.mark.parametrize("document", [None, {}, predicting(None), predicting("soon"), {"predicted_wait_time_ms": 0}])
def test_without_a_prediction_pauses_grow(pace: Pace, document: dict[str, Any] | None) -> None:
    pauses = [pace.pause(batch(looks=looks), document) for looks in range(20)]
    assert pauses[0] == 1.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


@pytest.mark.parametrize("trouble", [BreakerOpen("open", 100.0), IonQThrottledError("slow down", 100.0)])
def test_who_asks_for_patience_gets_it(pace: Pace, trouble: QstoreError) -> None:
    assert pace.pause(batch(), None, trouble) == 100.0


@pytest.mark.parametrize("trouble", [BreakerOpen("open", 0.0), IonQThrottledError("slow down", 0.0)])
def test_no_pause_is_shorter_than_the_floor(pace: Pace, trouble: QstoreError) -> None:
    assert pace.pause(batch(), None, trouble) == 1.0


@pytest.mark.parametrize("trouble", [IonQThrottledError("slow down"), IonQUnavailableError("away")])
def test_who_does_not_say_how_long_is_asked_ever_more_rarely(pace: Pace, trouble: QstoreError) -> None:
    assert pace.pause(batch(), None, trouble) < pace.pause(batch(looks=5), None, trouble)


def test_no_pause_sleeps_through_the_timeout(pace: Pace, clock: Clock) -> None:
    clock.now += 590
    assert pace.pause(batch(), predicting(3_600_000)) == pytest.approx(10)


def test_not_even_an_asked_one_sleeps_through_the_end_of_the_grace(pace: Pace, clock: Clock) -> None:
    clock.now += 590
    assert pace.pause(batch(), None, IonQThrottledError("slow down", 86_400.0)) == pytest.approx(70)


def test_simulator_and_machine_have_timeouts_of_their_own(pace: Pace, clock: Clock) -> None:
    clock.now += 601
    assert pace.late(batch())
    assert not pace.late(batch("qpu.forte-1"))
    assert (pace.timeout(batch()), pace.timeout(batch("qpu.forte-1"))) == (600.0, 6000.0)
    clock.now += 60
    assert pace.over(batch())
    clock.now = SUBMITTED + 6061
    assert pace.over(batch("qpu.forte-1"))


def test_a_canceled_job_is_looked_at_again_soon_and_a_bounded_number_of_times(pace: Pace, clock: Clock) -> None:
    clock.now = SUBMITTED + 600
    looks = 0
    while not pace.over(batch(looks=500)):
        clock.now += pace.pause(batch(looks=500))
        looks += 1
    assert clock.now <= SUBMITTED + 600 + 60 + 2
    assert 5 < looks < 20


def test_a_replica_that_was_away_at_the_timeout_gives_the_whole_grace(clock: Clock) -> None:
    clock.now = SUBMITTED + 86_400
    pace = Pace(floor=1.0, ceiling=30.0, timeout_simulator=600.0, timeout_qpu=6000.0, clock=clock)
    assert pace.late(batch())
    assert not pace.over(batch())
    clock.now += 61
    assert pace.over(batch())
