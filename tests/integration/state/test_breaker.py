"""The shared breaker: closed, open, half open, and what sixteen replicas see of it at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from conditions import free_port, wait_until
from qstore.errors import (
    BreakerOpen,
    IonQRefusedError,
    IonQThrottledError,
    IonQUnavailableError,
    PoolTimeout,
    SubmissionUncertainError,
)
from qstore.state.breaker import Breaker, Permit, Rules, Verdict, verdict_of
from qstore.state.connection import Connection
from qstore.state.keys import Keys

DOWN = IonQUnavailableError("away")
SOON = 0.05  # seconds to recover
LONG = 600.0
ROUNDS = 5


class Breaking:
    """Makes breakers of one test, each as another replica would have it."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self.connection = connection
        self.keys = keys

    def __call__(self, name: str = "ionq", **rules: Any) -> Breaker:
        defaults: dict[str, Any] = {"failure_threshold": 3, "recovery_timeout": LONG, "lease": LONG}
        return Breaker(self.connection, self.keys, name, Rules(**{**defaults, **rules}))


@pytest.fixture
def breaking(connection: Connection, keys: Keys) -> Iterator[Breaking]:
    yield Breaking(connection, keys)
    for key in connection.client.scan_iter(f"{keys.prefix}*"):
        connection.client.delete(key)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.report(breaker.admit(), DOWN)


def reopened(breaker: Breaker) -> Permit:
    """The permit of the probe, as soon as there is one."""

    def probe() -> Permit | None:
        with suppress(BreakerOpen):
            return breaker.admit()
        return None

    return wait_until(probe)


def test_failures_open_it_and_then_nothing_leaves(breaking: Breaking) -> None:
    one, other = breaking(), breaking()
    fail(one, 2)
    assert one.state() == "closed"
    fail(other)
    assert one.state() == other.state() == "open"
    with pytest.raises(BreakerOpen) as caught:
        one.admit()
    assert 0 < caught.value.retry_after <= LONG


def test_failures_count_only_within_the_window(breaking: Breaking) -> None:
    breaker = breaking(failure_window=0.1)
    fail(breaker, 2)
    wait_until(lambda: not breaker._connection.client.exists(breaker.keys[2]))
    fail(breaker, 2)
    assert breaker.state() == "closed"


def test_successes_between_failures_do_not_hide_them(breaking: Breaking) -> None:
    breaker = breaking()
    for _ in range(3):
        breaker.report(breaker.admit())
        fail(breaker)
    assert breaker.state() == "open"


@pytest.mark.parametrize("error", [None, IonQRefusedError("400"), IonQThrottledError("slow down", 0.0), PoolTimeout()])
def test_answers_and_what_never_left_do_not_open_it(breaking: Breaking, error: Exception | None) -> None:
    breaker = breaking()
    for _ in range(10):
        breaker.report(breaker.admit(), error)
    assert breaker.state() == "closed"


def test_never_more_is_at_stake_than_failures_it_tolerates(breaking: Breaking) -> None:
    breaker = breaking(failure_threshold=5)
    fail(breaker, 2)
    permits = [breaker.admit() for _ in range(3)]
    assert breaker._connection.call("admit", breaker.keys, ["t", *breaker.rules.arguments, 1000])[0] == 0
    breaker.report(permits.pop())
    permits.append(breaker.admit())
    for permit in permits:
        breaker.report(permit, DOWN)
    assert breaker.state() == "open"


def test_a_permit_nobody_reports_is_forgotten(breaking: Breaking) -> None:
    breaker = breaking(failure_threshold=1, lease=SOON)
    breaker.admit()
    assert reopened(breaker)


def test_the_probe_decides_whether_it_closes(breaking: Breaking) -> None:
    breaker = breaking(recovery_timeout=SOON)
    fail(breaker, 3)
    breaker.report(reopened(breaker), DOWN)
    assert breaker.state() == "open"
    probe = reopened(breaker)
    assert breaker.state() == "half_open"
    breaker.report(probe)
    assert breaker.state() == "closed"
    assert breaker.admit()


def test_an_answer_that_asks_for_patience_closes_it_and_holds_everybody(breaking: Breaking) -> None:
    breaker, other = breaking(recovery_timeout=SOON), breaking(recovery_timeout=SOON)
    fail(breaker, 3)
    assert breaker.report(reopened(breaker), IonQThrottledError("slow down", 30.0)) == 30.0
    assert breaker.state() == "closed"
    with pytest.raises(BreakerOpen) as caught:
        other.admit()
    assert 25 < caught.value.retry_after <= 30


def test_pauses_nobody_asked_for_double_with_full_jitter(breaking: Breaking) -> None:
    bounds = [0.01 * 2**turn for turn in range(6)]
    pauses: list[list[float]] = [[] for _ in bounds]
    for repeat in range(12):
        breaker = breaking(f"ionq{repeat}", backoff=0.01)
        for turn in range(len(bounds)):
            permit = reopened(breaker)
            pauses[turn].append(breaker.report(permit, IonQThrottledError("slow down")))
    assert all(0 <= pause <= bound for bound, alike in zip(bounds, pauses, strict=True) for pause in alike)
    assert max(pauses[-1]) > bounds[0]
    assert len(set(pauses[-1])) > 6


def test_a_probe_that_never_left_gives_way_to_another_at_once(breaking: Breaking) -> None:
    breaker = breaking(recovery_timeout=SOON)
    fail(breaker, 3)
    breaker.report(reopened(breaker), PoolTimeout())
    assert breaker.state() == "open"
    breaker.report(breaker.admit())
    assert breaker.state() == "closed"


def test_a_probe_that_died_gives_way_when_its_lease_runs_out(breaking: Breaking) -> None:
    breaker = breaking(recovery_timeout=SOON, lease=0.3)
    fail(breaker, 3)
    lost = reopened(breaker)
    following = reopened(breaker)
    assert following.epoch > lost.epoch
    breaker.report(lost)
    assert breaker.state() == "half_open"
    breaker.report(following)
    assert breaker.state() == "closed"


def test_outcomes_of_an_earlier_epoch_change_nothing(breaking: Breaking) -> None:
    breaker = breaking(recovery_timeout=SOON, failure_threshold=5)
    stale = breaker.admit()
    fail(breaker, 4)
    breaker.report(stale, DOWN)
    assert breaker.state() == "open"
    probe = reopened(breaker)
    breaker.report(stale)  # a success from before must not close it
    assert breaker.state() == "half_open"
    breaker.report(probe)
    breaker.report(stale, DOWN)
    breaker.report(stale, DOWN)
    assert breaker._connection.set_size(breaker.keys[2]) == 0


def test_backends_and_reading_have_breakers_of_their_own(breaking: Breaking) -> None:
    one, other = breaking("submit:one"), breaking("submit:other")
    fail(one, 3)
    assert (one.state(), other.state()) == ("open", "closed")
    assert other.admit()


def test_a_guard_reports_what_happens_within(breaking: Breaking) -> None:
    breaker = breaking(failure_threshold=2)
    for _ in range(2):
        with pytest.raises(IonQUnavailableError), breaker.guard():
            raise DOWN
    with pytest.raises(BreakerOpen), breaker.guard():
        raise AssertionError("never gets here")
    assert breaker._connection.set_size(breaker.keys[1]) == 0


def test_without_redis_the_last_that_was_known_decides(breaking: Breaking) -> None:
    breaker = breaking()
    fail(breaker, 3)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    away = Connection(f"redis://127.0.0.1:{free_port()}/0", timeout=0.2)
    breaker._connection = away
    with pytest.raises(BreakerOpen) as caught:
        breaker.admit()
    assert caught.value.retry_after > 0
    fresh = Breaker(away, breaking.keys, "ionq", breaker.rules)
    with fresh.guard():
        pass
    away.close()


def test_errors_are_read_for_what_they_say_of_ionq() -> None:
    assert verdict_of(SubmissionUncertainError("lost")) is Verdict.FAILURE
    assert verdict_of(KeyError("a bug")) is Verdict.UNSENT


def _ask(url: str, prefix: str, together: Callable[[], int], said: Any) -> None:
    """What one of sixteen processes does: ask at the same moment as the others, and never report."""
    connection = Connection(url, timeout=10)
    breaker = Breaker(connection, Keys(prefix), "ionq", Rules(3, 60, SOON, LONG))
    breaker.state()  # connected before the others are waited for
    for _ in range(ROUNDS):
        together()
        said.put(_admitted(breaker))
    connection.close()


def test_sixteen_processes_at_an_open_breaker_send_one_probe(breaking: Breaking, redis_server: Any) -> None:
    breaker = breaking(recovery_timeout=SOON)
    fork = multiprocessing.get_context("fork")
    together, said = fork.Barrier(17, timeout=60), fork.Queue()
    asked = (redis_server.url, breaking.keys.prefix, together.wait, said)
    processes = [fork.Process(target=_ask, args=asked, daemon=True) for _ in range(16)]
    for process in processes:
        process.start()
    try:
        for _ in range(ROUNDS):
            fail(breaker, 3)
            wait_until(lambda: _due(breaker))
            together.wait()
            assert sum(said.get(timeout=60) for _ in processes) == 1
            breaker._connection.client.delete(*breaker.keys)
    finally:
        together.abort()  # whoever still waits for the others
        for process in processes:
            process.join()


def test_sixteen_threads_of_one_process_send_one_probe(breaking: Breaking) -> None:
    breaker = breaking(recovery_timeout=SOON)
    fail(breaker, 3)
    wait_until(lambda: breaker._connection.client.time() and _due(breaker))
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(_admitted, [breaker] * 16)) == 1


def _admitted(breaker: Breaker) -> bool:
    """Whether it lets something out."""
    with suppress(BreakerOpen):
        breaker.admit()
        return True
    return False


def _due(breaker: Breaker) -> bool:
    """Whether the time to recover has passed on the server's clock."""
    seconds, micros = breaker._connection.client.time()
    opened_at = int(breaker._connection.hash_field(breaker.keys[0], "opened_at"))
    return bool(seconds * 1000 + micros // 1000 > opened_at + SOON * 1000)
