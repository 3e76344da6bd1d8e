"""A circuit that one producer compiled is not compiled by the next, at no trip more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.utils import uuid

from producer import Producer
from qstore.options import parse_options
from qstore.preparation import Caller
from qstore.state.connection import Call, Connection
from qstore.state.keys import Keys
from qstore.state.tally import Tally
from service import coin

pytestmark = pytest.mark.usefixtures("redis_server")


class Counting(Connection):
    """Counts the trips of scripts."""

    trips = 0

    def call_many(self, script: str, calls: list[Call]) -> list[Any]:  # type: ignore[override]  # lists are enough here
        self.trips += bool(calls)
        return super().call_many(script, calls)


class Service:
    """A producer of its own, whose compilations are counted."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        producer = Producer(connection, keys, size=10, timeout=60.0)
        self.preparation, self.submission = producer.preparation, producer.submission
        self.compiled = 0
        compiler: Any = producer.compiler
        compile_it = compiler.compile

        def count(*asked: Any) -> Any:
            self.compiled += 1
            return compile_it(*asked)

        compiler.compile = count

    def submit(self, *angles: float, **options: Any) -> list[str]:
        """Have circuits claimed that only Qiskit can compile; return what became of them."""
        parsed = parse_options({"optimization_level": 2, **options})
        jobs = [self.preparation.prepare(Caller(uuid()), coin(angle), parsed) for angle in angles]
        return ["joined" if each.joined else str(each.error or "queued") for each in self.submission.submit(jobs)]


@pytest.fixture
def connection(redis_server: Any) -> Iterator[Counting]:
    opened = Counting(redis_server.url, timeout=10.0)
    yield opened
    opened.close()


@pytest.fixture
def keys(connection: Counting) -> Iterator[Keys]:
    yield Keys("test-circuits:")
    connection.client.flushdb()


def wires(connection: Connection, keys: Keys) -> list[bytes]:
    """The circuits of all runs that wait."""
    client: Any = connection.client
    return sorted(client.hget(key, "wire") for key in client.scan_iter(keys.run("*")))


def test_what_one_service_compiled_the_next_takes_over(connection: Counting, keys: Keys) -> None:
    one, other = Service(connection, keys), Service(connection, keys)
    assert one.submit(0.1, 0.2, seed=1) == ["queued", "queued"]
    compiled = wires(connection, keys)
    connection.trips = 0
    assert other.submit(0.1, 0.2, 0.3, seed=2) == ["queued"] * 3
    assert (one.compiled, other.compiled, connection.trips) == (2, 1, 2)
    assert [wires(connection, keys).count(wire) for wire in compiled] == [2, 2]
    # what was taken over is remembered, so it is not looked for again
    connection.trips = 0
    assert other.submit(0.1, 0.2, 0.3, seed=3) == ["queued"] * 3
    assert (other.compiled, connection.trips) == (1, 1)
    assert [wires(connection, keys).count(wire) for wire in compiled] == [3, 3]
    found = Tally(connection, keys).read()
    assert (found.circuits, found.circuit_hits, found.circuit_misses) == (3, 2, 3)


def test_another_level_is_another_circuit(connection: Counting, keys: Keys) -> None:
    one, other = Service(connection, keys), Service(connection, keys)
    one.submit(0.1)
    other.submit(0.1, optimization_level=3)
    assert (one.compiled, other.compiled) == (1, 1)


def test_a_circuit_that_runs_already_is_joined_and_not_compiled(connection: Counting, keys: Keys) -> None:
    one, other = Service(connection, keys), Service(connection, keys)
    one.submit(0.1)
    assert other.submit(0.1) == ["joined"]
    assert other.compiled == 0
    assert Tally(connection, keys).read().circuit_hits == 0
