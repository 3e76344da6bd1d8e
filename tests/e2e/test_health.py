"""`qstore health` and the metrics of a real replica, while all is well and while parts of it are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner, Result

from conditions import free_port, let_go_of_redis
from qstore.app import app, settings
from qstore.cli import main
from qstore.sandbox.sandbox import Sandbox

METRICS_PORT = free_port()
PARTS = ["Redis", "breakers", "IonQ", "pgvector"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One replica, and what it needs."""
    folder, port = tmp_path_factory.mktemp("sandbox"), urlsplit(settings.redis_url).port
    quick = {"QSTORE_METRICS_PORT": str(METRICS_PORT), "QSTORE_PGVECTOR_POOL_TIMEOUT": "1"}
    with Sandbox(folder / "data", workers=1, redis_port=port, flower=False, settings=quick) as running:
        yield running
    let_go_of_redis()


def health(*options: str) -> Result:
    return CliRunner().invoke(main, ["health", "--timeout", "8", *options])


def told(done: Result) -> dict[str, dict[str, Any]]:
    """What the replica told of its parts, by name."""
    (replica,) = json.loads(done.stdout)["replicas"].values()
    return {part["part"]: part for part in replica["parts"]}


@pytest.mark.usefixtures("sandbox")
def test_a_replica_that_is_well_says_so_in_every_way() -> None:
    done = health("--json")
    assert done.exit_code == 0, done.output
    assert list(told(done)) == PARTS
    for name in ("Redis", "IonQ", "pgvector"):
        assert told(done)[name]["pools"], name

    (answer,) = app.control.inspect(timeout=10.0, limit=1)._request("qstore_health").values()
    assert [part["part"] for part in answer["parts"] if part["ok"]] == PARTS

    page = httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics", trust_env=False).raise_for_status().text
    for line in (
        'qstore_pool_size{pool="IonQ"} 1.0',
        'qstore_pool_max_size{pool="pgvector"} 4.0',
        "qstore_outbox_entries 0.0",
        'qstore_breaker_state{breaker="store:pgvector",state="closed"} 1.0',
    ):
        assert line in page.splitlines()


def test_what_dies_is_named_until_nobody_answers(sandbox: Sandbox) -> None:
    assert sandbox.postgres
    sandbox.ionq.kill()
    sandbox.postgres.kill()
    done = health("--json")
    assert done.exit_code == 1
    assert [name for name, part in told(done).items() if not part["ok"]] == ["IonQ", "pgvector"]
    assert "IonQ down: " in done.stderr
    secrets = (sandbox.environment["IONQ_API_KEY"], urlsplit(sandbox.postgres.url).password)
    assert not [secret for secret in secrets if secret is None or secret in done.output]

    page = httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics", trust_env=False).raise_for_status().text
    assert 'qstore_pool_size{pool="IonQ"} 0.0' in page.splitlines()

    sandbox.kill_worker()
    assert health().output == "Error: no replica answers\n"
    sandbox.redis.kill()
    without = health()
    assert without.exit_code == 1
    assert "Check QSTORE_REDIS_URL and that Redis is up" in without.output
    assert len(without.output.splitlines()) == 1
