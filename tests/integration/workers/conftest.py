"""A replica in this process: its real parts on a real Redis, before the real stand-in or a server that misbehaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from conditions import free_port, wait_until
from loopback import Loopback, Response
from qstore.app import app
from qstore.app import settings as configured
from qstore.sandbox.process import Process
from qstore.settings import Settings
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import ScriptedIonQ, fair
from service import Service
from workers.resources import Resources
from workers.vectors.store import VectorStore

KEY = "the-key-of-the-replica"
HOSTNAME = "worker@here"


class StandIn(Process):
    """The IonQ stand-in as a process."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v0.4"
        command = [sys.executable, "-m", "qstore.sandbox.ionq", f"--port={port}"]
        super().__init__("ionq", command, folder, {**os.environ, "IONQ_API_KEY": KEY})

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/sandbox/stats", trust_env=False).json()
        return stats

    @contextmanager
    def committing(self, *faults: dict[str, Any]) -> Iterator[None]:
        """What goes wrong meanwhile."""
        address = f"http://127.0.0.1:{self.port}/sandbox/faults"
        httpx.post(address, json=list(faults), trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.delete(address, trust_env=False).raise_for_status()

    def ready(self) -> bool:
        try:
            return bool(self.stats())
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("ionq"), free_port()) as running:
        yield running


class Answering(Loopback):
    """A server that answers every request with what the test says, and remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status, self.headers, self.body = 500, dict[str, str](), b"{}"
        super().__init__()

    def respond(self, method: str, path: str, body: bytes) -> Response | None:  # noqa: ARG002 - as the base has it
        self.asked.append(f"{method} {path.split('?', maxsplit=1)[0]}")
        # 0: take the request and drop the connection
        return (self.status, self.headers, self.body) if self.status else None


@pytest.fixture
def answering() -> Iterator[Answering]:
    server = Answering()
    yield server
    server.close()


class Replica:
    """A worker's resources, turned by hand."""

    def __init__(self, settings: Settings, store: VectorStore | None) -> None:
        self.settings = settings
        self.resources = Resources(app, settings, HOSTNAME, store)

    def turn_until(self, condition: Callable[[], object], what: str) -> None:
        def turned() -> object:
            self.resources.loop.turn()
            return condition()

        wait_until(turned, what=what)


@pytest.fixture
def replica(keys: Keys, connection: Connection) -> Iterator[Callable[..., Replica]]:
    """Makes replicas under the test's own keys; whatever is left of them is removed."""
    made: list[Replica] = []

    def make(ionq_url: str, store: VectorStore | None = None, **changes: Any) -> Replica:
        settings = configured.model_copy(
            update={
                "key_prefix": keys.prefix,
                "ionq_url": ionq_url,
                "ionq_api_key": SecretStr(KEY),
                "batch_size": 3,
                "batch_timeout": 0.0,
                "poll_floor": 0.01,
                "ionq_list_lag": 0.05,
                "retry_backoff": 0.01,
                "redis_timeout": 5.0,
                **changes,
            }
        )
        made.append(Replica(settings, store))
        return made[-1]

    yield make
    for each in made:
        each.resources.close()
    for key in connection.client.scan_iter(f"{keys.prefix}*"):
        connection.client.delete(key)


@pytest.fixture
def coins() -> Iterator[ScriptedIonQ]:
    """IonQ, where every job completes and every coin is fair."""
    server = ScriptedIonQ()
    server.prepare = fair
    yield server
    server.close()


@pytest.fixture
def service(connection: Connection, keys: Keys, replica: Callable[..., Replica], coins: ScriptedIonQ) -> Service:
    """One that asks for such coins."""
    return Service(connection, keys, replica(coins.url))
