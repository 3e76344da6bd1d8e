"""Thousands of jobs through a real worker, as they come in; and what waiting does where they do not."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from celery import exceptions
from celery.result import AsyncResult
from qiskit import QuantumCircuit

from conditions import let_go_of_redis
from qstore import completion, errors, submit_circuits
from qstore.app import app, settings
from qstore.completion import as_completed, wait
from qstore.entries import Entries, Finish
from qstore.sandbox.redis import RedisServer
from qstore.sandbox.sandbox import Sandbox
from qstore.state.connection import Connection
from qstore.state.keys import Keys

WITHIN = 60  # seconds
EXECUTED = {"source": "executed"}
COUNT, DISTINCT, BAD = 2000, 1900, (3, 700, 1998)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Redis where the settings say, the stand-in, and a worker that is not held back."""
    with Sandbox(
        tmp_path_factory.mktemp("sandbox") / "data",
        workers=1,
        redis_port=urlsplit(settings.redis_url).port,
        flower=False,
        postgres=False,
        settings={"QSTORE_MAX_CONCURRENT_JOBS": "1000"},
    ) as running:
        yield running
    let_go_of_redis()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A Redis of the test's own, in which nobody but the test ends jobs."""
    with RedisServer(tmp_path) as running:
        monkeypatch.setattr(completion, "_connect", lambda: Connection(running.url, timeout=5.0))
        yield running


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between two looks."""
    monkeypatch.setattr(completion, "_SHORT", 0.001)
    monkeypatch.setattr(completion, "_LONG", 0.001)


def turned(number: int) -> QuantumCircuit:
    """Circuits that are all different."""
    circuit = QuantumCircuit(1, 1)
    circuit.ry(0.001 + number / 1000, 0)
    circuit.measure(0, 0)
    return circuit


def many() -> Iterator[Any]:
    """The circuits of one large call: the last hundred repeat the first, and some cannot run."""
    for number in range(COUNT):
        yield QuantumCircuit(1) if number in BAD else turned(number % DISTINCT)


def handles(count: int) -> list[AsyncResult]:
    """Of jobs that nobody works at."""
    return [app.AsyncResult(f"{secrets.token_hex(8)}-{number}") for number in range(count)]


def end(server: RedisServer, jobs: Sequence[AsyncResult], value: object) -> None:
    """End jobs as a worker does."""
    with closing(Connection(server.url, timeout=5.0)) as connection:
        Entries(app, connection, Keys("test:")).finish([Finish(job.id, value) for job in jobs])


def test_two_thousand_circuits_in_one_call_each_come_to_their_own_end(sandbox: Sandbox) -> None:
    before = sandbox.stats()["circuits_accepted"]
    heard: list[tuple[int, int | None]] = []
    results = submit_circuits(many(), progress=lambda *told: heard.append(told), shots=10)
    chunks = len(heard)
    assert chunks > 2
    answers: dict[int, Any] = dict(as_completed(results, timeout=WITHIN, progress=lambda *told: heard.append(told)))
    assert [heard[chunks - 1], heard[-1]] == [(COUNT, None), (COUNT, COUNT)]
    assert sorted(answers) == list(range(COUNT))
    failed = {index: answers.pop(index) for index in BAD}
    assert [str(error).partition(": ")[0] for error in failed.values()] == [f"Circuit {index}" for index in BAD]
    assert {type(error) for error in failed.values()} == {errors.NoMeasurementError}
    assert {sum(answer["counts"].values()) for answer in answers.values()} == {10}
    sources = Counter(answer["source"] for answer in answers.values())
    distinct = DISTINCT - 1  # one that cannot run has no twin
    assert sources["executed"] == distinct
    assert sources["joined"] + sources["cached"] == COUNT - len(BAD) - distinct
    assert sandbox.stats()["circuits_accepted"] - before == distinct


@pytest.mark.usefixtures("sandbox")
def test_celery_s_own_waiting_works_and_agrees() -> None:
    source: list[Any] = [turned(number) for number in range(10_000, 10_040)]
    source[7] = QuantumCircuit(1)
    results = submit_circuits(source, shots=10)
    answers = results.get(timeout=WITHIN, propagate=False)
    assert isinstance(answers[7], errors.NoMeasurementError)
    assert wait(results, timeout=WITHIN) == answers
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 7: "):
        results.get(timeout=WITHIN)
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 7: "):
        results.join(timeout=WITHIN)
    assert results.ready()
    again = submit_circuits([source[0], source[1]], shots=10)
    assert [answer["source"] for answer in again.get(timeout=WITHIN)] == ["cached", "cached"]


@pytest.mark.usefixtures("sandbox")
def test_what_the_cache_knew_is_there_without_a_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    source = [turned(20_000), turned(20_001)]
    answers = wait(submit_circuits(source, shots=10), timeout=WITHIN)
    cached = submit_circuits(source, shots=10)
    nowhere = Connection("redis://127.0.0.1:1/0", timeout=0.1)
    monkeypatch.setattr(completion, "_connect", lambda: nowhere)
    counts = [cast("Any", answer)["counts"] for answer in answers]
    assert [(index, cast("Any", answer)["counts"]) for index, answer in as_completed(cached)] == [*enumerate(counts)]


@pytest.mark.usefixtures("at_once")
def test_a_job_that_ends_out_of_turn_is_seen_while_others_wait(server: RedisServer) -> None:
    jobs = handles(3000)
    end(server, [jobs[2999]], EXECUTED)
    end(server, [jobs[1400]], errors.JobTimeoutError("too long"))
    end(server, [jobs[5]], errors.JobRevokedError("revoked"))
    coming = as_completed(jobs, timeout=WITHIN)
    first: dict[int, Any] = dict([next(coming), next(coming), next(coming)])
    assert first.keys() == {5, 1400, 2999}
    assert first[2999] == EXECUTED
    assert isinstance(first[1400], errors.JobTimeoutError)
    assert isinstance(first[5], exceptions.TaskRevokedError)


@pytest.mark.usefixtures("at_once")
def test_what_does_not_end_in_time_is_counted_in_the_error(server: RedisServer) -> None:
    jobs = handles(5)
    end(server, jobs[1:3], EXECUTED)
    coming = as_completed(jobs, timeout=0.01)
    assert [next(coming)[0], next(coming)[0]] == [1, 2]
    with pytest.raises(exceptions.TimeoutError, match=r"^3 of 5 jobs have not ended within 0\.01 s\.$"):
        next(coming)


@pytest.mark.usefixtures("at_once")
def test_waiting_outlives_a_restart_of_redis(server: RedisServer) -> None:
    jobs = handles(5)
    steps: list[Callable[[], object]] = [server.stop, lambda: None, server.start, lambda: end(server, jobs, EXECUTED)]
    answers: list[Any] = wait(jobs, timeout=WITHIN, progress=lambda *_: steps and steps.pop(0)())
    assert answers == [EXECUTED] * 5
    assert not steps


@pytest.mark.usefixtures("at_once")
def test_waiting_ends_where_redis_is_away_for_long(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_PATIENCE", 0.0)
    server.stop()
    with pytest.raises(errors.StoreUnavailableError):
        wait(handles(1), timeout=WITHIN)


@pytest.mark.usefixtures("at_once")
def test_wide_results_are_read_a_few_at_a_time(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_LARGE", 10_000)
    jobs = handles(60)
    end(server, jobs, {**EXECUTED, "counts": "1" * 3000})
    with closing(Connection(server.url, timeout=5.0)) as connection:
        assert len(wait(jobs, timeout=WITHIN)) == 60
        trips = connection.client.info("commandstats")["cmdstat_mget"]["calls"]
    assert trips > 10  # two or three would do, were they short


def test_no_jobs_are_waited_for_without_a_trip() -> None:
    assert wait([], timeout=WITHIN) == []
