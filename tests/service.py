"""A service that asks for circuits under a test's own keys, and the replica that executes them."""

from __future__ import annotations

from typing import Any

from celery.result import AsyncResult
from celery.utils import uuid
from qiskit import QuantumCircuit

from producer import Producer, all_over
from qstore.app import app
from qstore.options import parse_options
from qstore.preparation import Caller
from qstore.state.calibrations import Calibrations
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.tally import Tally


class Service:
    """Asks for coins, which differ by their angles, in the words of `submit_circuit`."""

    def __init__(self, connection: Connection, keys: Keys, replica: Any, shots: int = 1000) -> None:
        self.replica = replica
        self.tally = Tally(connection, keys)
        self.calibrations = Calibrations(connection, keys, interval=300.0, lease=60.0)
        self._client: Any = connection.client
        self._keys = keys
        self._shots = shots
        self._producer = Producer(connection, keys)

    def ask(self, angle: float = 1.5, **options: Any) -> AsyncResult:
        """Submit one."""
        return self.ask_all([angle], **options)[0]

    def ask_all(self, angles: list[float], **options: Any) -> list[AsyncResult]:
        """Submit some at once."""
        parsed, prepare = parse_options({"shots": self._shots, **options}), self._producer.preparation.prepare
        jobs = [prepare(Caller(f"{self._keys.prefix}{uuid()}"), coin(angle), parsed) for angle in angles]
        return [AsyncResult(submitted.job_id, app=app) for submitted in self._producer.submission.submit(jobs)]

    def read(self, *results: AsyncResult) -> list[dict[str, Any]]:
        """Have the replica finish them."""
        self.replica.turn_until(all_over(self._producer, results), "counts")
        return [result.get() for result in results]

    def answer(self, angle: float = 1.5, **options: Any) -> dict[str, Any]:
        """Submit one, and have it finished."""
        return self.read(self.ask(angle, **options))[0]

    def make_older(self, seconds: float) -> None:
        """Have the stored result been stored so many seconds earlier."""
        (key,) = self._client.scan_iter(self._keys.result("*"))
        at, rest = self._client.get(key).split(b" ", 1)
        self._client.set(key, b"%d %b" % (int(at) - round(seconds * 1000), rest), keepttl=True)


def coin(angle: float) -> QuantumCircuit:
    """A coin, fair at pi/2 radians."""
    circuit = QuantumCircuit(1, 1)
    circuit.ry(angle, 0)
    circuit.measure(0, 0)
    return circuit
