"""Waiting on conditions, and ports nobody uses."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from qstore.sandbox.process import Process, SandboxError

T = TypeVar("T")


def ports() -> range:
    """The TCP ports that are this process's own where several share the tests.

    A free port is chosen a while before somebody listens on it, and meanwhile no other process may choose it. All are
    below those that `qstore sandbox` chooses from, and those that systems take outgoing ports from.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(10_000 + number, 20_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def free_port() -> int:
    """A TCP port nobody listens on at the moment."""
    for port in secrets.SystemRandom().sample(ports(), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port found")


def wait_until(condition: Callable[[], T | None], within: float = 30.0, what: str = "the condition") -> T:
    """Return what the condition gives as soon as it is true; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within} s")
        time.sleep(0.01)
    return value


def let_go_of_redis() -> None:
    """Drop this process's connections to a Redis that is gone, as a forked child does."""
    from kombu import pools  # noqa: PLC0415 - the environment of the tests is set before qstore is imported

    from qstore.app import app  # noqa: PLC0415 - as above
    from qstore.door import door  # noqa: PLC0415 - as above

    door.cache_clear()
    pools.reset()  # type: ignore[no-untyped-call]  # kombu's own lack
    app._after_fork()
    app.backend.result_consumer.on_after_fork()


def start_again(server: Process, within: float = 30.0) -> None:
    """Start a server that was killed, as soon as what it left behind has ended."""

    def starts() -> bool:
        try:
            server.start()
        except SandboxError:
            return False
        return True

    wait_until(starts, within=within, what=f"{server.name}, started again")
