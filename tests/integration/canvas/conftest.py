"""One worker process, Redis and the IonQ stand-in for the whole folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from celery.signals import before_task_publish
from redis import Redis

from conditions import let_go_of_redis
from integration.canvas.books import Bought, counted
from integration.canvas.ears import Ears
from integration.canvas.hold import Hold
from integration.canvas.notes import Notes
from integration.canvas.sources import Cached, Executed, Joined, Source
from qstore.app import app, settings
from qstore.sandbox.sandbox import Sandbox, Worker

_TESTS = Path(__file__).parents[2]

_SETTINGS = {
    "QSTORE_POLL_FLOOR": "0.02",
    "QSTORE_BATCH_TIMEOUT": "0.05",
    "QSTORE_MAX_CONCURRENT_JOBS": "100",  # nearly every circuit here travels alone
}


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Redis where the settings say; the worker knows the plain tasks besides, and some vectors."""
    folder = tmp_path_factory.mktemp("canvas")
    port = urlsplit(settings.redis_url).port
    with Sandbox(
        folder / "data", workers=0, redis_port=port, postgres=False, flower=False, settings=_SETTINGS
    ) as running:
        environment = running.child_environment
        path = os.pathsep.join(filter(None, [str(_TESTS), environment.get("PYTHONPATH")]))
        worker = Worker(1, running.data, {**environment, "PYTHONPATH": path})
        worker.command += ["-I", "integration.canvas.plain,integration.canvas.near"]
        running.workers.append(worker)
        worker.start(30.0)
        yield running
    let_go_of_redis()


@pytest.fixture(scope="package")
def redis(sandbox: Sandbox) -> Iterator[Redis]:
    """What holds everything."""
    with Redis.from_url(sandbox.redis.url, decode_responses=True) as client:
        yield client


@pytest.fixture(scope="module", params=["executed", "joined", "cached"])
def source(request: pytest.FixtureRequest, redis: Redis) -> Iterator[Source]:
    """Where the answers of a test's jobs come from."""
    made = {"executed": Executed, "joined": lambda: Joined(redis), "cached": Cached}[request.param]()
    yield made
    made.close()


@pytest.fixture
def hold(redis: Redis) -> Iterator[Hold]:
    """Circuits that wait until the test lets them go."""
    holding = Hold(redis)
    yield holding
    holding.let_go()


@pytest.fixture
def notes(redis: Redis) -> Iterator[Notes]:
    written = Notes(redis)
    yield written
    redis.delete(written.key)


@pytest.fixture
def bought(sandbox: Sandbox) -> Bought:
    """What the stand-in accepted since the test began."""
    return counted(sandbox)


@pytest.fixture
def fault(sandbox: Sandbox) -> Iterator[None]:
    """The next job that IonQ takes fails."""
    url = f"{sandbox.ionq.url}/sandbox/faults"
    httpx.post(url, json={"kind": "job_failed", "code": "SimulationError"}).raise_for_status()
    yield
    httpx.delete(url).raise_for_status()


@pytest.fixture
def published() -> Iterator[list[dict[str, object]]]:
    """The messages with jobs that this process sends, as Celery tells of them."""
    seen: list[dict[str, object]] = []

    def see(sender: str, **message: object) -> None:
        if sender == "qstore.submit_circuit":
            seen.append(message)

    before_task_publish.connect(see)
    yield seen
    before_task_publish.disconnect(see)


@pytest.fixture
def ears(sandbox: Sandbox) -> Iterator[Ears]:  # noqa: ARG001 - whose events
    """Celery's events from now on, as Flower hears them."""
    with app.connection_for_read() as connection:
        heard: list[dict[str, Any]] = []
        receiver = app.events.Receiver(connection, handlers={"*": heard.append})
        with receiver.consumer_context() as (consuming, _, _):
            yield Ears(consuming, heard)
