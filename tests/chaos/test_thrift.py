"""A thousand circuits: what they cost in requests and connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial
from qstore.settings import Settings

_CIRCUITS = 1000
_MOST_REQUESTS = 60
_SETTINGS = {
    "QSTORE_BATCH_SIZE": "100",
    "QSTORE_BATCH_TIMEOUT": "1",
    "QSTORE_LEASE": "60",
    "QSTORE_IONQ_READ_TIMEOUT": "10",
}
"""Nothing fails here; a hundred circuits take a busy machine a moment, to submit as well."""


@pytest.mark.full
def test_a_thousand_circuits_cost_sixty_requests_and_a_pool_of_connections(
    tmp_path: Path, scoreboard: Scoreboard
) -> None:
    with Trial(tmp_path, scoreboard, workers=1, latency=0.5, settings=_SETTINGS) as trial:
        trial.submit(_CIRCUITS, within=90.0)
        trial.wait_until_ended()
        seen = trial.stats()
        trial.score("a thousand circuits", note=f"{seen['requests']} requests, {seen['connections']} connections")
        most = Settings.model_fields["ionq_pool_max_size"].default
        assert seen["requests"] <= _MOST_REQUESTS, seen
        assert seen["connections"] <= most, seen
