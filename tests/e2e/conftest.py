"""The whole sandbox, once for all end-to-end tests: real Redis, PostgreSQL, stand-in, two workers, Flower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from conditions import let_go_of_redis
from qstore.app import settings
from qstore.sandbox.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Redis where the settings say, so that this process is a producer of the sandbox."""
    folder = tmp_path_factory.mktemp("sandbox")
    with Sandbox(folder / "data", workers=2, redis_port=urlsplit(settings.redis_url).port) as running:
        yield running
    let_go_of_redis()


@pytest.fixture
def bought(sandbox: Sandbox) -> Callable[[], dict[str, Any]]:
    """What the stand-in accepted since the test began."""
    before = sandbox.stats()

    def since() -> dict[str, Any]:
        now = sandbox.stats()
        return {
            name: now[name] - before[name] for name in ("requests", "connections", "jobs_accepted", "circuits_accepted")
        }

    return since
