"""Jobs are revoked while replicas die: each ends once, in one way, and nothing is paid for twice, or for nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial, is_dead
from workers.failpoint import POINTS

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, scoreboard: Scoreboard) -> Iterator[Trial]:
    """A house with one replica that stays well, and an IonQ that takes its time."""
    with Trial(tmp_path_factory.mktemp("revoke"), scoreboard, workers=1, latency=0.5) as running:
        yield running


@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_while_jobs_are_revoked_each_ends_once(trial: Trial, point: str) -> None:
    doomed = trial.arm(f"{point}=kill")
    died = trial.submit_until(lambda: is_dead(doomed), f"death at {point}", revoked=25, regret=1.0)
    trial.sandbox.kill_worker()
    trial.score(f"revoked, killed at {point}", since=died)


def test_what_is_revoked_while_nobody_is_up_is_never_paid(trial: Trial) -> None:
    trial.sandbox.kill_worker()
    trial.submit(60, 15, revoked=25)
    trial.wait_until_queued(50, revoked=25)
    trial.sandbox.add_worker()
    trial.score("revoked while nobody is up", since=time.time(), unsent=True)


def test_what_is_wanted_by_nobody_when_all_replicas_have_died_is_canceled_by_the_next(trial: Trial) -> None:
    before = trial.stats()
    trial.fail({"kind": "slow", "latency": 600.0})
    trial.submit(30, revoked=30, regret=2.0)
    trial.wait_until_taken(before["jobs_accepted"] + 3)
    trial.sandbox.kill_worker()
    trial.wait_until_ended()  # nobody has to be up for that
    trial.sandbox.add_worker()
    trial.score("all revoked, all killed, one comes back", since=time.time(), unsent=True)
    trial.mend()
    after = trial.stats()
    assert after["jobs_canceled"] - before["jobs_canceled"] == after["jobs_accepted"] - before["jobs_accepted"]
