"""asyncio's door where Redis is not needed, or not there."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult, GroupResult
from vine import barrier  # type: ignore[import-untyped]  # it publishes no types

import qstore
from conditions import free_port, wait_until
from qstore import aio
from qstore.app import app
from qstore.ends import wait_for
from qstore.errors import IonQJobFailedError, StoreUnavailableError
from qstore.listener import Listener
from qstore.options import parse_options
from qstore.tasks import submit_circuit

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


@pytest.fixture(autouse=True)
def _loops_end_quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A task that is destroyed while it is pending, or an error nobody retrieved, is told to asyncio's log only."""
    yield
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def handle(job_id: str, end: Any = None, parent: Any = None) -> AsyncResult:
    """A job that ended, as far as its handle knows, or one it knows nothing of."""
    job = AsyncResult(job_id, app=app, parent=parent)
    if end is not None:
        state = "FAILURE" if isinstance(end, Exception) else "SUCCESS"
        job._cache = {"status": state, "result": end, "traceback": None, "children": [], "task_id": job_id}
    return job


def group(*results: Any, parent: Any = None) -> GroupResult:
    """Of any results; with a barrier of its own, as Celery's own would connect to Redis while the group is made."""
    return GroupResult("group", list(results), parent=parent, app=app, ready_barrier=barrier())


def nowhere(patience: float = 600.0) -> Listener:
    return Listener(f"redis://127.0.0.1:{free_port()}/0", timeout=5.0, patience=patience)


def wait(result: Any, *, return_exceptions: bool = False) -> Any:
    """What `aio.get` does, with a listener that gives up at once."""
    return asyncio.run(wait_for(result, nowhere(patience=0.0), return_exceptions=return_exceptions))


def test_it_is_part_of_the_public_face() -> None:
    assert qstore.aio is aio


@pytest.mark.parametrize("call", [aio.submit, aio.submit_circuits])
def test_its_own_words_are_no_options_of_a_circuit(call: Any) -> None:
    own = {name for name, parameter in inspect.signature(call).parameters.items() if parameter.default is None}
    assert own == {"timeout"}
    for name in (*own, "return_exceptions"):
        with pytest.raises(qstore.errors.UnknownOptionError):
            parse_options({name: None})


def test_what_a_handle_knows_needs_no_redis() -> None:
    assert asyncio.run(aio.get(handle("known", {"counts": {"0": 1}}))) == {"counts": {"0": 1}}
    with pytest.raises(IonQJobFailedError, match="broken"):
        asyncio.run(aio.get(handle("failed", IonQJobFailedError("broken"))))


def test_a_group_keeps_its_order_and_shape() -> None:
    inner = group(handle("b", 2), handle("c", 3))
    assert wait(group(handle("a", 1), inner, handle("d", 4))) == [1, [2, 3], 4]
    assert wait(group()) == []


def test_errors_stand_where_results_do_if_asked_for() -> None:
    error = IonQJobFailedError("broken")
    jobs = group(handle("a", 1), handle("b", error), handle("c", 3))
    assert wait(jobs, return_exceptions=True) == [1, error, 3]
    with pytest.raises(IonQJobFailedError, match="broken"):
        wait(jobs)


def test_a_failure_is_raised_though_other_jobs_are_not_known_yet() -> None:
    with pytest.raises(IonQJobFailedError, match="broken"):
        wait(group(handle("unknown"), handle("failed", IonQJobFailedError("broken"))))


def test_a_job_whose_forerunner_failed_never_begins() -> None:
    failed = handle("first", TaskRevokedError("revoked"))
    second = handle("second", parent=failed)
    for job in (second, handle("third", parent=second), group(handle("fourth"), parent=second)):
        with pytest.raises(TaskRevokedError):
            wait(job)
    assert isinstance(wait(second, return_exceptions=True), TaskRevokedError)
    assert second._cache is None


def test_a_job_without_a_result_is_not_waited_for() -> None:
    ignored = handle("ignored")
    ignored.ignored = True
    assert wait(ignored) is None
    assert wait(EagerResult("eager", {"counts": {}}, "SUCCESS")) == {"counts": {}}


def test_a_submission_fails_at_once_where_redis_is_away() -> None:
    with pytest.raises(StoreUnavailableError):
        asyncio.run(aio.submit("OPENQASM 2.0; qreg q[1]; creg c[1]; measure q -> c;"))


def test_waiting_ends_in_time_though_redis_is_away() -> None:
    async def scenario() -> None:
        listener = nowhere()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await wait_for(handle("unknown"), listener, return_exceptions=False)
        assert not listener._channels

    asyncio.run(scenario())


def test_waiting_without_end_gives_up_where_redis_stays_away(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        listener = nowhere(patience=0.2)
        jobs = [wait_for(handle(f"job {n}"), listener, return_exceptions=False) for n in range(3)]
        ends = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(end) for end in ends] == [StoreUnavailableError] * 3
        assert "The job goes on." in str(ends[0])

    asyncio.run(scenario())
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_a_long_outage_never_overflows_the_pause_between_two_tries() -> None:
    listener = nowhere()
    for _ in range(5000):
        listener._lose(ConnectionError())
    assert listener._pause() <= 1.0


def test_closing_tells_whoever_still_waits() -> None:
    async def scenario() -> None:
        waiting = asyncio.create_task(aio.get(handle("unknown")))
        await asyncio.sleep(0)
        await aio.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            await waiting
        await aio.close()  # a second time does nothing

    asyncio.run(scenario())


def test_a_loop_that_ended_is_let_go_of() -> None:
    async def scenario() -> weakref.ref[asyncio.AbstractEventLoop]:
        waiting = asyncio.create_task(aio.get(handle("unknown")))
        await asyncio.sleep(0)
        assert not waiting.done()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(scenario())
    gc.collect()
    assert loop() is None


class Gate:
    """Stands in for a slow submission, and knows who is in."""

    def __init__(self) -> None:
        self.entered: list[int] = []
        self.opened = threading.Event()

    def __call__(self, number: int) -> int:
        self.entered.append(number)
        assert self.opened.wait(timeout=30)
        return number


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(submit_circuit, "delay", gate, raising=False)
    return gate


def test_a_burst_of_submissions_makes_few_threads(gate: Gate) -> None:
    async def scenario() -> None:
        burst = asyncio.gather(*(aio.delay(number) for number in range(1000)))
        await asyncio.to_thread(wait_until, lambda: len(gate.entered) >= aio._THREADS)
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("qstore-aio")]
        assert len(threads) == len(gate.entered) == aio._THREADS
        gate.opened.set()
        assert await burst == list(range(1000))

    asyncio.run(scenario())


def test_what_is_canceled_before_its_turn_is_not_submitted(gate: Gate) -> None:
    async def scenario() -> None:
        first = [asyncio.create_task(aio.delay(number)) for number in range(aio._THREADS)]
        await asyncio.to_thread(wait_until, lambda: len(gate.entered) >= aio._THREADS)
        with pytest.raises(TimeoutError):
            await aio.submit(1000, timeout=0.01)
        gate.opened.set()
        await asyncio.gather(*first)
        await aio.delay(2000)

    asyncio.run(scenario())
    assert 1000 not in gate.entered
    assert 2000 in gate.entered
