"""Has the demo's Redis forget everything, once all that was executed is archived."""

from __future__ import annotations

import time

import redis

from qstore.sandbox.process import SandboxError
from qstore.sandbox.sandbox import Sandbox
from qstore.settings import Settings
from qstore.state.keys import Keys

_WITHIN = 20.0  # seconds for the archive
_WATCH = 0.05  # seconds between two looks


def forget(sandbox: Sandbox) -> None:
    """Wait until the outbox is empty, then flush Redis.

    Raises:
        SandboxError: The archive takes too long.
    """
    outbox = Keys(Settings().key_prefix).outbox  # the environment's, as the workers have it
    deadline = time.monotonic() + _WITHIN
    with redis.Redis.from_url(sandbox.redis.url) as client:
        while waiting := client.xlen(outbox):
            if time.monotonic() > deadline:
                raise SandboxError(f"{waiting} executions were not archived within {_WITHIN:g} s")
            time.sleep(_WATCH)
        client.flushall()
