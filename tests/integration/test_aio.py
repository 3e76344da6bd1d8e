"""asyncio's door on a real Redis with a real worker: many wait at once, and the loop goes on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from celery import group
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, ResultSet
from qiskit import QuantumCircuit

from conditions import let_go_of_redis, wait_until
from qstore import aio, submit_circuit
from qstore.app import app, settings
from qstore.ends import wait_for
from qstore.errors import IonQJobFailedError, NoMeasurementError, StoreUnavailableError
from qstore.listener import CLIENT_NAME, Listener
from qstore.sandbox.redis import RedisServer
from qstore.sandbox.sandbox import Sandbox

WITHIN = 60  # seconds

FLIP = QuantumCircuit(1, 1, name="flip")
FLIP.x(0)
FLIP.measure(0, 0)

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.filterwarnings("error::ResourceWarning")]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Redis where the settings say, the stand-in and one worker."""
    folder = tmp_path_factory.mktemp("sandbox") / "data"
    port = urlsplit(settings.redis_url).port
    with Sandbox(folder, workers=1, redis_port=port, flower=False, postgres=False) as running:
        yield running
    let_go_of_redis()


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[redis.Redis]:
    """To look at the connections to Redis."""
    with redis.Redis.from_url(sandbox.redis.url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _loops_end_quietly(client: redis.Redis, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """When a loop has ended, however it did, its connections are gone, and asyncio's log has nothing to say."""
    yield
    wait_until(lambda: not connections(client), what="the end of the loop's connections")
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """The scenario in a loop of its own, which never closes qstore by hand."""

    async def main() -> None:
        async with asyncio.timeout(WITHIN):
            await scenario()

    asyncio.run(main())


def circuit(angle: float) -> QuantumCircuit:
    """Needs the compiler; the angle makes it a circuit of its own."""
    made = QuantumCircuit(2, 2, name=f"at {angle:.3f}")
    made.h(0)
    made.cx(0, 1)
    made.u(angle, angle / 2, angle / 3, 0)
    made.u(angle / 2, angle / 3, angle, 0)
    made.measure([0, 1], [0, 1])
    return made


def connections(client: redis.Redis, kind: str | None = None) -> list[dict[str, str]]:
    """Those of all listeners of this process, as Redis knows them."""
    return [each for each in client.client_list(_type=kind) if each["name"] == CLIENT_NAME]


async def until_subscribed(client: redis.Redis, number: int) -> None:
    """Until Redis would tell the listeners of so many jobs."""

    def met() -> bool:
        return sum(int(each["sub"]) for each in connections(client, "pubsub")) == number

    await asyncio.to_thread(wait_until, met, what=f"the subscription to {number} jobs")


def finish(job_id: str, value: Any) -> None:
    """End a job as Celery's own worker does."""
    app.backend.mark_as_done(job_id, value)


def write(client: redis.Redis, job: AsyncResult, value: Any) -> None:
    """End a job without a word to whoever listens."""
    end = {"status": "SUCCESS", "result": value, "task_id": job.id}
    client.set(app.backend.get_key_for_task(job.id), app.backend.encode(end))


def test_two_hundred_jobs_at_once_leave_the_loop_free() -> None:
    circuits = [circuit(1 + number / 1000) for number in range(100)] * 2
    done = 0
    seen: list[int] = []  # how many were submitted at each tick

    async def tick() -> None:
        while True:
            seen.append(done)
            await asyncio.sleep(0.001)

    async def delay(each: QuantumCircuit) -> AsyncResult:
        nonlocal done
        job = await aio.delay(each, shots=100)
        done += 1
        return job

    async def scenario() -> None:
        ticking = asyncio.create_task(tick())
        jobs = await asyncio.gather(*map(delay, circuits))
        ticking.cancel()
        # a loop that is blocked sees all of them, or many at once
        assert max(after - before for before, after in zip(seen, [*seen[1:], done], strict=True)) < 50
        results = await asyncio.gather(*map(aio.get, jobs))
        assert [result["name"] for result in results] == [each.name for each in circuits]
        assert sum(result["source"] == "executed" for result in results) == 100
        for first, second in zip(results[:100], results[100:], strict=True):
            assert first["counts"] == second["counts"]
            assert sum(first["counts"].values()) == 100
        again = await aio.submit(circuits[0], 100, name="once more")
        assert (again["source"], again["name"], again["counts"]) == ("cached", "once more", results[0]["counts"])

    run(scenario)


def test_many_circuits_come_back_in_order() -> None:
    ones = [QuantumCircuit(3, 3) for _ in range(8)]
    for number, each in enumerate(ones):
        for qubit in range(3):
            if number >> qubit & 1:
                each.x(qubit)
        each.measure(range(3), range(3))

    async def scenario() -> None:
        results = await aio.submit_circuits(ones, shots=11, timeout=WITHIN)
        assert [result["counts"] for result in results] == [{format(number, "03b"): 11} for number in range(8)]

    run(scenario)


def test_one_failure_among_many_stands_in_its_place(sandbox: Sandbox) -> None:
    fault = {"kind": "child_failed", "positions": [1]}
    httpx.post(f"{sandbox.ionq.url}/sandbox/faults", json=fault).raise_for_status()

    async def scenario() -> None:
        circuits = [circuit(2 + number / 1000) for number in range(3)]
        first, failed, last = await aio.submit_circuits(circuits, shots=13, return_exceptions=True)
        assert sum(first["counts"].values()) == sum(last["counts"].values()) == 13
        assert isinstance(failed, IonQJobFailedError)

    run(scenario)


def test_a_failure_is_raised_as_celery_raises_it(sandbox: Sandbox) -> None:
    fault = {"kind": "job_failed", "code": "TooManyGates"}
    httpx.post(f"{sandbox.ionq.url}/sandbox/faults", json=fault).raise_for_status()

    async def scenario() -> None:
        job = await aio.delay(circuit(3), shots=10)
        with pytest.raises(IonQJobFailedError) as ours:
            await aio.get(job)
        assert job.state == "FAILURE"
        with pytest.raises(IonQJobFailedError) as celery_s:
            AsyncResult(job.id, app=app).get(timeout=WITHIN)
        assert ours.value.args == celery_s.value.args
        assert ours.value.code == "TooManyGates"
        with pytest.raises(NoMeasurementError):
            await aio.submit(QuantumCircuit(1))

    run(scenario)


def test_a_job_can_be_watched_and_canceled(sandbox: Sandbox) -> None:
    faults = f"{sandbox.ionq.url}/sandbox/faults"
    httpx.post(faults, json={"kind": "slow", "latency": 600}).raise_for_status()

    async def scenario() -> None:
        job = await aio.apply_async((circuit(4),), {"shots": 10}, task_id="of-my-own")
        waiting = asyncio.create_task(aio.get("of-my-own"))
        while (await aio.status(job))["remote_id"] is None:
            assert not waiting.done()
        assert await aio.cancel(job, "nobody-knows-it") == [True, False]
        with pytest.raises(TaskRevokedError):
            await waiting
        with pytest.raises(TaskRevokedError):
            await aio.get(job)

    try:
        run(scenario)
    finally:
        httpx.delete(faults).raise_for_status()


def test_celery_s_own_groups_are_waited_for() -> None:
    async def scenario() -> None:
        canvas = group(submit_circuit.s(circuit(5 + number / 1000), shots=10) for number in range(2))
        results = await aio.get(await asyncio.to_thread(canvas.apply_async))
        assert [result["name"] for result in results] == ["at 5.000", "at 5.001"]

    run(scenario)


def test_all_who_wait_share_one_subscription(client: redis.Redis) -> None:
    async def scenario() -> None:
        ids = [f"shared {number}" for number in range(50)]
        waiting = [asyncio.create_task(aio.get(job_id)) for job_id in ids * 2]
        together = asyncio.create_task(aio.get(ResultSet([AsyncResult(job_id, app=app) for job_id in ids], app=app)))
        await until_subscribed(client, 50)
        assert len(connections(client, "pubsub")) == 1
        for number, job_id in enumerate(ids):
            finish(job_id, number)
        assert await asyncio.gather(*waiting) == [*range(50), *range(50)]
        assert await together == list(range(50))
        await until_subscribed(client, 0)
        assert len(connections(client)) == 2  # one subscribes, one reads
        await aio.close()
        await asyncio.to_thread(wait_until, lambda: not connections(client), what="the end of the connections")
        assert await aio.get(ids[0]) == 0  # opens them again

    run(scenario)


def test_who_comes_later_hears_what_others_heard_before(client: redis.Redis) -> None:
    async def scenario() -> None:
        both = ResultSet([AsyncResult(job_id, app=app) for job_id in ("early", "late")], app=app)
        first = asyncio.create_task(aio.get(both))
        await until_subscribed(client, 2)
        finish("early", 1)
        assert await aio.get("early") == 1
        assert await aio.get("early") == 1
        finish("late", 2)
        assert await first == [1, 2]

    run(scenario)


def test_who_stops_waiting_leaves_the_job_and_no_subscription(client: redis.Redis) -> None:
    async def scenario() -> None:
        waiting = asyncio.create_task(aio.get("left"))
        await until_subscribed(client, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError):
            await aio.get("left", timeout=0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio.get("left"), 0.05)
        await until_subscribed(client, 0)
        finish("left", "all the same")
        assert await aio.get("left") == "all the same"

    run(scenario)


def test_a_result_that_comes_while_the_connection_is_down_is_found(client: redis.Redis) -> None:
    async def scenario() -> None:
        waiting = [asyncio.create_task(aio.get(job_id)) for job_id in ("unheard", "heard")]
        await until_subscribed(client, 2)
        (subscription,) = connections(client, "pubsub")
        with client.pipeline() as both:  # in one move: the connection goes, and the entry comes without a word
            both.client_kill_filter(_id=subscription["id"])
            write(both, AsyncResult("unheard", app=app), "meanwhile")
            both.execute()
        assert await waiting[0] == "meanwhile"
        await until_subscribed(client, 1)
        finish("heard", "afterwards")
        assert await waiting[1] == "afterwards"

    run(scenario)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer(tmp_path) as server:
        yield server


def test_a_redis_that_restarts_is_waited_for(elsewhere: RedisServer) -> None:
    async def scenario() -> None:
        job, listener = AsyncResult("survives", app=app), Listener(elsewhere.url, timeout=5.0)
        waiting = asyncio.create_task(wait_for(job, listener, return_exceptions=False))
        with redis.Redis.from_url(elsewhere.url) as client:
            await until_subscribed(client, 1)
            elsewhere.kill()
            await asyncio.to_thread(wait_until, lambda: listener._failures > 1, what="a failure")
            elsewhere.start()
            write(client, job, 7)
        assert await waiting == 7

    run(scenario)


def test_a_redis_that_falls_silent_is_noticed(elsewhere: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qstore.listener._QUIET", 0.05)

    async def scenario() -> None:
        job, listener = AsyncResult("survives", app=app), Listener(elsewhere.url, timeout=0.2)
        waiting = asyncio.create_task(wait_for(job, listener, return_exceptions=False))
        with redis.Redis.from_url(elsewhere.url) as client:
            await until_subscribed(client, 1)
            assert elsewhere.pid is not None
            os.kill(elsewhere.pid, signal.SIGSTOP)
            try:
                await asyncio.to_thread(wait_until, lambda: listener._failures > 0, what="a failure")
            finally:
                os.kill(elsewhere.pid, signal.SIGCONT)
            write(client, job, 8)
        assert await waiting == 8

    run(scenario)


def test_a_redis_that_lets_nobody_read_is_given_up(elsewhere: RedisServer) -> None:
    async def scenario() -> None:
        job, listener = AsyncResult("unread", app=app), Listener(elsewhere.url, timeout=5.0, patience=0.2)
        with redis.Redis.from_url(elsewhere.url) as client:
            client.acl_setuser("default", enabled=True, commands=["-mget"])
            with pytest.raises(StoreUnavailableError, match="no permissions"):
                await wait_for(job, listener, return_exceptions=False)

    run(scenario)


def test_loops_one_after_another_and_one_in_each_thread(client: redis.Redis) -> None:
    async def scenario() -> Any:
        job = await aio.delay(FLIP, shots=10)
        return (await aio.get(job.id, timeout=WITHIN))["counts"]

    for _ in range(2):
        assert asyncio.run(scenario()) == {"1": 10}
        wait_until(lambda: not connections(client), what="the end of the loop's connections")
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: asyncio.run(scenario()), range(2))) == [{"1": 10}] * 2


def test_a_forked_child_has_a_loop_of_its_own(client: redis.Redis) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def child() -> None:
        # there is nothing to compile: that Qiskit's own threads do not survive a fork is another matter
        answers.put(asyncio.run(aio.submit(FLIP, shots=10, reuse=False, timeout=WITHIN))["counts"])

    async def scenario() -> None:
        waiting = asyncio.create_task(aio.get("of the parent"))
        await until_subscribed(client, 1)
        await aio.delay(circuit(7), shots=10)  # now there are threads, which a child does not have
        process = context.Process(target=child, daemon=True)
        process.start()
        await asyncio.to_thread(process.join, WITHIN)
        assert process.exitcode == 0
        assert answers.get() == {"1": 10}
        finish("of the parent", "untouched")
        assert await waiting == "untouched"

    run(scenario)
