"""Replicas that die or freeze where it hurts: what they had in hand is another's after a lease, and paid for once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import LEASE, Trial, is_dead, is_frozen, thaw, wait_till
from workers.failpoint import POINTS

_DEADLY = {"dispatch.sending", "dispatch.answered", "settle.settled"}
"""Where most is at stake: the request is on its way; IonQ has the job and nobody knows; it is done and nobody knows."""

_FROZEN = {"dispatch.sending"}
"""Where it is worst to come back to life: all is ready, and only the body of the request is not on the wire."""

_ONE_AT_A_TIME = {"QSTORE_IONQ_POOL_MAX_SIZE": "1"}
"""A whole replica freezes, wherever its other threads are. One of them in the instant between its last look at the
clock and its first byte would buy, and cancel, what it must not; at `dispatch.sending` the only session is taken."""


def points(short: set[str], start: str = "") -> list[object]:
    """Every fail point; those that are not in the short cut are marked."""
    return [
        pytest.param(point, marks=() if point in short else pytest.mark.full)
        for point in POINTS
        if point.startswith(start)
    ]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, scoreboard: Scoreboard) -> Iterator[Trial]:
    """A house with one replica that stays well."""
    with Trial(tmp_path_factory.mktemp("replicas"), scoreboard, workers=1, latency=0.5) as running:
        yield running


@pytest.mark.parametrize("point", points(_DEADLY))
def test_what_a_killed_replica_had_in_hand_is_another_s_after_a_lease(trial: Trial, point: str) -> None:
    doomed = trial.arm(f"{point}=kill")
    died = trial.submit_until(lambda: is_dead(doomed), f"death at {point}")
    trial.sandbox.kill_worker()
    trial.score(f"killed at {point}", since=died)


@pytest.mark.full
def test_when_all_replicas_have_died_the_next_one_does_their_work(trial: Trial) -> None:
    trial.sandbox.add_worker()
    bought = trial.stats()["jobs_accepted"]
    trial.submit(200, 50, pace=0.005)
    trial.wait_until_taken(bought + 10)
    trial.sandbox.kill_worker()
    trial.sandbox.kill_worker()
    trial.sandbox.add_worker()
    trial.score("all killed, one comes back", since=time.time())


@pytest.mark.parametrize("point", points(_FROZEN))
def test_a_replica_that_wakes_up_when_all_is_done_changes_nothing(trial: Trial, point: str) -> None:
    sleeper = trial.arm(f"{point}=stop", **_ONE_AT_A_TIME)
    canceled = trial.stats()["jobs_canceled"]
    froze = trial.submit_until(lambda: is_frozen(sleeper), f"sleep at {point}")
    trial.wait_until_ended()
    thaw(sleeper)
    trial.retire_worker()
    trial.score(f"frozen at {point}", since=froze)
    if point == "dispatch.sending":
        # not so much as bought and then canceled, which would have saved the equation
        assert trial.stats()["jobs_canceled"] == canceled


@pytest.mark.full
@pytest.mark.parametrize("point", points(set(POINTS), start="dispatch."))
def test_a_replica_that_wakes_up_as_its_lease_ends_changes_nothing(trial: Trial, point: str) -> None:
    sleeper = trial.arm(f"{point}=stop", **_ONE_AT_A_TIME)
    froze = trial.submit_until(lambda: is_frozen(sleeper), f"sleep at {point}")
    wait_till(froze + LEASE)
    thaw(sleeper)
    trial.wait_until_ended()
    trial.retire_worker()
    trial.score(f"frozen at {point} for a lease", since=froze)
