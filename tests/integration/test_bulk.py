"""Many circuits in one call on a real Redis, with no worker to take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from conditions import let_go_of_redis
from qstore import errors, submit_circuits
from qstore.app import settings
from qstore.door import door
from qstore.entries import Finish
from qstore.sandbox.redis import RedisServer
from qstore.state.connection import Connection

KEYS = settings.key_prefix


@pytest.fixture(autouse=True)
def _clean(connection: Connection) -> Iterator[None]:
    """The keys of the settings' own prefix; none is left for the next test."""
    yield
    connection.client.flushdb()


def circuits(count: int, start: int = 0) -> list[Any]:
    """Circuits that are all different."""
    made = []
    for number in range(start, start + count):
        circuit = QuantumCircuit(1, 1)
        circuit.ry(0.001 + number / 1000, 0)
        circuit.measure(0, 0)
        made.append(circuit)
    return made


class Source:
    """Circuits until the first chunk has left, and then whatever comes next.

    Args:
        then: What comes.

    Attributes:
        done: How many circuits had left by then.
    """

    def __init__(self, then: Callable[[], Iterator[QuantumCircuit]]) -> None:
        self.done = 0
        self._then = then

    def told(self, done: int, _total: int | None) -> None:
        self.done = self.done or done

    def __iter__(self) -> Iterator[QuantumCircuit]:
        number = 0
        while not self.done:
            yield circuits(1, number)[0]
            number += 1
        yield from self._then()


def waiting(connection: Connection) -> int:
    """Runs in groups."""
    return sum(connection.set_size(key.decode()) for key in connection.client.scan_iter(f"{KEYS}pending:*"))


def test_bad_circuits_fail_alone_and_every_process_can_read_why(connection: Connection) -> None:
    source = circuits(40)
    source[17], source[31] = QuantumCircuit(2), "not OpenQASM"
    results = submit_circuits(source, shots=100)
    elsewhere = Celery("elsewhere", backend=settings.redis_url, set_as_current=False)
    seen = [elsewhere.AsyncResult(result.id) for result in results]
    assert [index for index, each in enumerate(seen) if each.state == "FAILURE"] == [17, 31]
    assert {each.state for each in seen} == {"QUEUED", "FAILURE"}
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 17: "):
        seen[17].get()
    with pytest.raises(errors.InvalidOpenQASMError, match=r"^Circuit 31: "):
        seen[31].get()
    assert waiting(connection) == 38
    elsewhere.close()


def test_what_repeats_itself_in_one_call_is_queued_once(connection: Connection) -> None:
    results = submit_circuits(circuits(3) * 20, shots=100)
    assert len({result.id for result in results}) == 60
    assert waiting(connection) == 3
    assert connection.number(f"{KEYS}queued") == 60


def test_a_family_of_circuits_shares_its_runs_with_the_same_circuits_submitted_alone(connection: Connection) -> None:
    angle = Parameter("angle")
    template = QuantumCircuit(2, 2)
    template.ry(angle, 0)
    template.cx(0, 1)
    template.rz(2 * angle, 1)
    template.measure([0, 1], [1, 0])
    values = [[0.001 + number / 100] for number in range(30)]
    members = submit_circuits(template, parameter_values=[*values, [math.nan]], shots=100)
    assert [result.state for result in members] == ["QUEUED"] * 30 + ["FAILURE"]
    alone = submit_circuits([template.assign_parameters(row) for row in values], shots=100)
    assert {result.state for result in alone} == {"QUEUED"}
    assert waiting(connection) == 30
    assert connection.number(f"{KEYS}queued") == 60
    app = Celery("elsewhere", backend=settings.redis_url, set_as_current=False)
    with pytest.raises(errors.InvalidParameterValuesError, match=r"^Circuit 30: .*'angle' is not finite"):
        app.AsyncResult(members[30].id).get()
    app.close()


def test_circuits_that_find_the_queue_full_fail_one_by_one(connection: Connection) -> None:
    connection.client.set(f"{KEYS}queued", settings.max_queued_jobs - 5)
    results = submit_circuits(circuits(8), shots=100)
    assert [result.state for result in results] == ["QUEUED"] * 5 + ["FAILURE"] * 3
    with pytest.raises(errors.QueueFull, match=r"^Circuit 6: As many jobs wait as may"):
        results[6].get()


def test_if_reading_the_circuits_fails_what_was_queued_is_canceled(connection: Connection) -> None:
    def fail() -> Iterator[QuantumCircuit]:
        assert waiting(connection) > 0
        yield from circuits(1, 500_000)
        raise OSError("the disk is gone")

    source = Source(fail)
    with pytest.raises(OSError, match="the disk is gone"):
        submit_circuits(source, progress=source.told, shots=100)
    assert waiting(connection) == 0
    assert connection.number(f"{KEYS}queued") == 0
    jobs = [key.decode().removeprefix("celery-task-meta-") for key in connection.client.scan_iter("celery-task-meta-*")]
    assert len(jobs) == source.done
    app = Celery("elsewhere", backend=settings.redis_url, set_as_current=False)
    assert {app.AsyncResult(job).state for job in jobs} == {"REVOKED"}
    app.close()


def test_where_redis_is_killed_in_the_middle_what_was_queued_stays_queued(
    redis_server: RedisServer, connection: Connection
) -> None:
    def kill() -> Iterator[QuantumCircuit]:
        connection.client.config_set("appendfsync", "always")  # what it acknowledged is in its file by now
        redis_server.kill()
        yield from circuits(600, 500_000)

    source = Source(kill)
    try:
        results = submit_circuits(source, progress=source.told, shots=100)
    finally:
        redis_server.start()
        let_go_of_redis()
    assert len(results) == source.done + 600
    assert {result.state for result in results[: source.done]} == {"QUEUED"}
    with pytest.raises(errors.StoreUnavailableError, match=rf"^Circuit {source.done}: whether it was queued is not"):
        results[source.done].get()
    with pytest.raises(errors.StoreUnavailableError, match=rf"^Circuit {source.done + 599}: it was not submitted"):
        results[-1].get()
    assert {result.state for result in results[source.done :]} == {"FAILURE"}
    assert waiting(connection) == source.done
    # Celery's own waiting does not wait for those that never will be in Redis
    door().entries.finish([Finish(result.id, "done") for result in results[: source.done]])
    answers = results.get(timeout=30, propagate=False)
    assert answers[: source.done] == ["done"] * source.done
    assert {type(answer) for answer in answers[source.done :]} == {errors.StoreUnavailableError}


def test_making_the_set_subscribes_to_nothing(connection: Connection) -> None:
    connection.client.config_resetstat()
    submit_circuits(circuits(50), shots=100)
    assert "cmdstat_subscribe" not in connection.client.info("commandstats")
