"""Sixteen processes at an open breaker: when the time to recover has passed, one of them probes IonQ."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chaos.meeting import RULES, ask, breaker_of
from chaos.scoreboard import Score, Scoreboard
from chaos.trial import Trial, wait_till

_PROCESSES = 16
_DOWN = {"kind": "error", "status": 503, "seconds": 600, "endpoint": "GET /jobs"}
_HESITANT = {"kind": "stall", "stall": 1.5, "seconds": 600, "endpoint": "GET /jobs"}
"""An answer that takes its time: all sixteen are there while the probe is."""


@pytest.mark.parametrize(("during", "answer", "after"), [(_DOWN, "failed", "open"), (_HESITANT, "answered", "closed")])
def test_sixteen_processes_at_an_open_breaker_send_one_probe(
    tmp_path: Path, scoreboard: Scoreboard, during: dict[str, Any], answer: str, after: str
) -> None:
    with Trial(tmp_path, scoreboard, workers=0) as trial:
        environment = trial.sandbox.child_environment
        breaker = breaker_of(trial.sandbox.redis.url, "meeting")
        asked = (breaker, environment["QSTORE_IONQ_URL"], environment["IONQ_API_KEY"])

        trial.fail(_DOWN)
        assert [ask(*asked) for _ in range(RULES.failure_threshold)] == ["failed"] * RULES.failure_threshold
        opened = time.time()
        assert breaker.state() == "open"
        assert ask(*asked) == "refused"
        trial.mend()
        trial.fail(during)
        wait_till(opened + RULES.recovery_timeout)
        before = trial.stats()["requests"]
        command = [sys.executable, str(Path(__file__).with_name("meeting.py")), breaker.name, str(_PROCESSES)]
        met = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        probes = trial.stats()["requests"] - before

        assert met.returncode == 0, met.stderr
        assert json.loads(met.stdout) == {answer: 1, "refused": _PROCESSES - 1}
        assert probes == 1
        assert breaker.state() == after
        breaker._connection.close()
        trial.board.add(
            Score(f"16 at an open breaker, the probe is {answer}", 0, 0, 0, note=f"{probes} request of {_PROCESSES}")
        )
