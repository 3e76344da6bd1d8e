"""IonQ away for a while: next to nothing is sent meanwhile, and every job is done afterwards."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import MACHINE, Trial, freeze, thaw, wait_till
from conditions import wait_until

_SECONDS = 20.0
_RECOVERY = 2.0  # seconds, as `SETTINGS` says
_THRESHOLD = 5
_HANGS = 5.0  # seconds


@pytest.mark.full
@pytest.mark.parametrize("mode", ["drop", "error", "mixed"])
def test_an_outage_costs_few_requests_and_no_job(tmp_path: Path, scoreboard: Scoreboard, mode: str) -> None:
    settings = {
        "QSTORE_FAILURE_THRESHOLD": str(_THRESHOLD),
        "QSTORE_RECOVERY_TIMEOUT": str(_RECOVERY),
        "QSTORE_MAX_CONCURRENT_JOBS": "40",  # so that slots are free and the submitting breaker has something to stop
    }
    what = f"outage of {_SECONDS:g} s, {mode}"
    trial = Trial(tmp_path, scoreboard, latency=1.0, settings=settings)
    with trial, scoreboard.progress(what, _SECONDS) as show:

        def over() -> bool:
            show(time.time() - began)
            return not trial.failing

        trial.submit(500, within=120.0)
        trial.wait_until_taken(10)
        before = lost_requests(trial)
        trial.fail({"kind": "outage", "seconds": _SECONDS, "mode": mode})
        began = time.time()
        wait_until(over, within=_SECONDS + MACHINE, what="the end of the outage")
        submits, reads = (after - then for after, then in zip(lost_requests(trial), before, strict=True))
        probes = math.ceil(_SECONDS / _RECOVERY)
        note = f"{submits} submits, {reads} reads sent; {_THRESHOLD} + {probes} probes allowed"
        trial.score(what, since=began + _SECONDS, note=note)
        assert _THRESHOLD <= submits <= _THRESHOLD + probes
        assert _THRESHOLD <= reads <= _THRESHOLD + probes


@pytest.mark.full
def test_requests_that_ionq_reads_long_after_everybody_gave_up_are_paid_once(
    tmp_path: Path, scoreboard: Scoreboard
) -> None:
    with Trial(tmp_path, scoreboard) as trial:
        trial.submit(300, 75, pace=0.005)
        trial.wait_until_taken(8)
        freeze(trial.sandbox.ionq)
        wait_till(time.time() + _HANGS)
        thaw(trial.sandbox.ionq)
        trial.score(f"IonQ hangs for {_HANGS:g} s", since=time.time())


def lost_requests(trial: Trial) -> tuple[int, int]:
    """Submits and reads so far that got no proper answer."""
    lost = {
        endpoint: sum(count for status, count in answers.items() if status in {"unanswered", "503"})
        for endpoint, answers in trial.stats()["by_endpoint"].items()
    }
    submits = lost.get("POST /jobs", 0)
    return submits, sum(lost.values()) - submits
