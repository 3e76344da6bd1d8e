"""Circuits that stay in their groups until a test lets them go."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from redis import Redis

from conditions import wait_until
from qstore.app import settings
from qstore.door import door
from qstore.job import Group
from qstore.options import parse_options
from qstore.preparation import Caller
from qstore.state.keys import Keys

Call = tuple[str, int]
"""Arguments of `submit_circuit`: a circuit, and shots no other has, so that it is in a group of its own."""

_NUMBERS = itertools.count(1)
_EXPIRES = 60  # seconds


def fresh() -> Call:
    """A circuit that nobody has asked for, as a service without Qiskit writes it."""
    number = next(_NUMBERS)
    text = (
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; '
        f"ry({math.tau * number / 100_003:.9f}) q[0]; measure q -> c;"
    )
    return text, 100 + number


class Hold:
    """Holds circuits, as a pause between two offers of a group does.

    Args:
        redis: Where they wait.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = Keys(settings.key_prefix)
        self._held: set[Call] = set()
        self._jobs: dict[Call, str] = {}

    def call(self, shots: int | None = None) -> Call:
        """A circuit that will not leave before it is let go; alone, or with others of the same shots."""
        text, alone = fresh()
        call = (text, shots or alone)
        prepared = door().preparation.prepare(Caller("nobody"), text, parse_options({"shots": call[1]}))
        self._jobs[call] = self._keys.jobs(prepared.ask.run_id)
        self._redis.set(self._gate(call), 1, ex=_EXPIRES)
        self._held.add(call)
        return call

    def let_go(self, *calls: Call) -> None:
        """Let some circuits leave; without any, all."""
        for call in calls or list(self._held):
            self._redis.delete(self._gate(call))
            self._held.discard(call)

    def waiting(self, call: Call) -> int:
        """How many jobs wait for a circuit."""
        return int(self._redis.llen(self._jobs[call]))

    def jobs(self, call: Call) -> list[dict[str, Any]]:
        """The jobs that wait for a circuit, the first one first."""
        return [json.loads(job) for job in self._redis.lrange(self._jobs[call], 0, -1)]

    def wait_for(self, call: Call, count: int) -> None:
        """Wait until so many jobs wait for a circuit."""
        wait_until(lambda: self.waiting(call) == count, what=f"{count} jobs that wait")

    def _gate(self, call: Call) -> str:
        return self._keys.hold(Group("simulator", call[1]).to_json())
