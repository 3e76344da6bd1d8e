"""Replicas and PostgreSQL killed, again and again: what was paid for is in the archive in the end, each once."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import UndefinedTable

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial
from conditions import start_again, wait_until
from qstore.sandbox.postgres import PostgresServer

DEATHS = 4
_SETTINGS = {"QSTORE_VECTOR_TIMEOUT": "1", "QSTORE_PGVECTOR_POOL_TIMEOUT": "1"}


@pytest.mark.full
def test_what_was_paid_for_is_archived_whoever_dies(tmp_path: Path, scoreboard: Scoreboard) -> None:
    with Trial(tmp_path, scoreboard, postgres=True, settings=_SETTINGS) as trial:
        postgres = trial.sandbox.postgres
        assert postgres
        trial.submit(120 * DEATHS, 30 * DEATHS, pace=0.005, within=120.0)
        back = 0.0
        for death in range(1, DEATHS + 1):
            trial.wait_until_taken(20 * death - 10)
            postgres.kill()
            trial.sandbox.kill_worker()
            trial.sandbox.add_worker()
            start_again(postgres)
            back = time.time()
        trial.score(f"PostgreSQL and a replica killed {DEATHS} x", since=back)
        paid = trial.stats()["circuits_accepted"]
        assert paid == 120 * DEATHS
        wait_until(lambda: _archived(postgres) >= paid, within=60, what=f"{paid} executions in the archive")
        assert _archived(postgres) == paid


def _archived(postgres: PostgresServer) -> int:
    with psycopg.connect(postgres.url) as connection, suppress(UndefinedTable):  # nothing was archived yet
        (count,) = connection.execute("SELECT count(*) FROM qstore_outcomes").fetchone() or (0,)
        return int(count)
    return 0
