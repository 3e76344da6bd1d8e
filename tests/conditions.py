"""Waiting on conditions, and ports nobody uses."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], T], within: float = 30.0, what: str = "the condition") -> T:
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
