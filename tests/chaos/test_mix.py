"""Everything at once, at random, for a while: faults of every kind, and in the long run deaths of replicas too."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial, wait_till

_PATIENT = {"QSTORE_MAX_RETRIES": "1000"}
"""A circuit that IonQ does not take four times in a row fails by design; here it may not, for every job has to end."""

_EVERYWHERE = (
    {"kind": "throttle", "retry_after": 0.3},
    {"kind": "throttle"},
    {"kind": "error", "status": 500},
    {"kind": "html", "status": 502},
    {"kind": "unauthorized"},
    {"kind": "accept_then", "status": 504},
    {"kind": "drop"},
    {"kind": "drop_after"},
    {"kind": "stall", "stall": 1.5},
    {"kind": "stall_after", "stall": 1.5},
)
_SOMEWHERE = (
    {"kind": "list_lag", "lag": 0.2},
    {"kind": "slow", "latency": 2.0},
    {"kind": "child_slow", "delay": 1.0},
    {"kind": "reordered"},
    {"kind": "children_reordered"},
)
_ENDPOINTS = ("POST /jobs", "GET /jobs", "GET /jobs/{id}", "GET /jobs/{id}/results/probabilities/aggregated", "*")

_TURN = 3.0  # seconds one mix lasts
_RATE = 20  # circuits a second


def mix(chance: random.Random) -> list[dict[str, Any]]:
    """A few faults, each with a chance to strike."""
    faults: list[dict[str, Any]] = [
        {**chance.choice(_EVERYWHERE), "endpoint": chance.choice(_ENDPOINTS)} for _ in range(chance.randint(1, 4))
    ]
    faults += chance.sample(_SOMEWHERE, chance.randint(0, 2))
    return [
        {**fault, "probability": round(chance.uniform(0.05, 0.4), 2), "seed": chance.randrange(10**6)}
        for fault in faults
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seconds", "deadly"),
    [(9, False), pytest.param(120, False, marks=pytest.mark.full), pytest.param(60, True, marks=pytest.mark.full)],
)
def test_whatever_comes_together_every_job_ends_and_is_paid_once(
    tmp_path: Path, scoreboard: Scoreboard, seconds: int, deadly: bool
) -> None:
    chance = random.Random(scoreboard.seed)
    what = f"random mix of {seconds} s{' with deaths' if deadly else ''}"
    with Trial(tmp_path, scoreboard, settings=_PATIENT) as trial, scoreboard.progress(what, seconds) as show:
        trial.submit(_RATE * seconds, _RATE * seconds // 4, pace=0.8 / _RATE, within=seconds + 90.0)
        began = time.time()
        struck = deaths = 0
        while (now := time.time()) < began + seconds:
            show(now - began)
            trial.fail(*mix(chance))
            if deadly:
                trial.sandbox.kill_worker(chance.randrange(2))
                trial.sandbox.add_worker()
                deaths += 1
            wait_till(now + _TURN)
            struck += sum(trial.strikes())
            trial.mend()
        note = f"{struck} faults{f', {deaths} deaths' if deadly else ''}, seed {scoreboard.seed}"
        trial.score(what, since=time.time(), note=note)
        assert struck
