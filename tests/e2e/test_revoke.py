"""Whoever revokes a job in whatever way Celery knows ends it: where it waits, at IonQ, and for what waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError
from celery.result import AsyncResult
from qiskit import QuantumCircuit

from conditions import let_go_of_redis, wait_until
from qstore import cancel, status, submit_circuit, submit_circuits
from qstore.app import app, settings
from qstore.door import door
from qstore.sandbox.sandbox import Sandbox

WITHIN = 30  # seconds
ARGUMENTS = app.tasks["celery.accumulate"]  # a task every worker has: it returns its arguments
NO_QSTORE = Celery(broker=settings.redis_url, backend=settings.redis_url, set_as_current=False)

Bought = Callable[[], dict[str, Any]]
Revoke = Callable[..., object]

pytestmark = pytest.mark.usefixtures("nothing_left")

WAYS: dict[str, Revoke] = {
    "result": lambda *results: [result.revoke() for result in results],
    "control": lambda *results: app.control.revoke([result.id for result in results]),
    "cancel": cancel,
    "a process without qstore": lambda *results: NO_QSTORE.control.revoke([result.id for result in results]),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Two replicas, and what they need."""
    folder, port = tmp_path_factory.mktemp("sandbox"), urlsplit(settings.redis_url).port
    with Sandbox(folder / "data", workers=2, redis_port=port, postgres=False, flower=False) as running:
        yield running
    NO_QSTORE.close()
    let_go_of_redis()


@pytest.fixture
def slow(sandbox: Sandbox) -> Iterator[Callable[[float], None]]:
    """Lets IonQ take so many seconds over each job it takes from now on."""

    def take(seconds: float) -> None:
        httpx.delete(f"{sandbox.ionq.url}/sandbox/faults").raise_for_status()
        fault = {"kind": "slow", "latency": seconds}
        httpx.post(f"{sandbox.ionq.url}/sandbox/faults", json=fault).raise_for_status()

    yield take
    httpx.delete(f"{sandbox.ionq.url}/sandbox/faults").raise_for_status()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is submitted meanwhile waits for company."""
    monkeypatch.setattr(door().claims, "_batch_timeout", 60_000)


@pytest.fixture
def nothing_left(sandbox: Sandbox) -> Iterator[None]:  # noqa: ARG001 - it has to run
    """Every test leaves in Redis only what is kept for a while on purpose."""
    yield
    names = ("result", "circuit", "tally", "breaker:", "woken:", "hits", "arrivals")
    kept = tuple(f"{settings.key_prefix}{name}" for name in names)

    def left() -> list[str]:
        keys: Any = door().claims._connection.client.scan_iter(f"{settings.key_prefix}*")
        return [key.decode() for key in keys if not key.decode().startswith(kept)]

    wait_until(lambda: not left(), what=f"nothing left, but {left()}")


def bell(angle: float) -> QuantumCircuit:
    """A Bell pair; the angle makes it a circuit of its own."""
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.rz(angle, 0)
    circuit.measure([0, 1], [0, 1])
    return circuit


def at_ionq(*results: AsyncResult) -> None:
    for result in results:
        wait_until(lambda each=result: each.state in {"SUBMITTED", "STARTED"}, what="the job at IonQ")  # type: ignore[misc]


def revoked(*results: AsyncResult) -> None:
    """Make sure that jobs are, and say so to whoever waits."""
    for result in results:
        with pytest.raises(TaskRevokedError, match="revoked"):
            result.get(timeout=WITHIN)
        assert result.state == "REVOKED"


def ends(result: AsyncResult) -> str:
    wait_until(result.ready, what="the end")
    return str(result.state)


# -- one job ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("held")
def test_a_job_that_waits_is_revoked_and_never_paid(bought: Bought, way: str) -> None:
    result = submit_circuit.delay(bell(0.1), shots=101)
    assert status(result)["state"] == "QUEUED"
    assert status(result)["position"] == 0
    WAYS[way](result)
    assert result.state == "REVOKED" or way == "a process without qstore"  # else it is so when the call returns
    revoked(result)
    assert status(result)["state"] == "REVOKED"
    assert status(result)["error"] == "revoked"
    assert cancel(result) == [False]
    result.revoke()
    assert bought()["jobs_accepted"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_job_at_ionq_is_revoked_and_canceled_there(sandbox: Sandbox, slow: Callable[[float], None], way: str) -> None:
    slow(600)
    canceled = sandbox.stats()["jobs_canceled"]
    results = submit_circuits([bell(0.2 + index / 100) for index in range(3)], shots=102).results
    at_ionq(*results)
    known = status(results[0])
    assert (known["state"], known["position"]) in {("SUBMITTED", None), ("STARTED", None)}
    assert known["remote_id"] == results[0].info["remote_id"]
    WAYS[way](*results)
    revoked(*results)
    wait_until(lambda: sandbox.stats()["jobs_canceled"] == canceled + 1, what="the cancel at IonQ")


def test_whoever_joined_gets_counts(slow: Callable[[float], None], bought: Bought) -> None:
    slow(0.5)
    first, joined = (submit_circuit.delay(bell(0.3), shots=103) for _ in range(2))
    first.revoke()
    revoked(first)
    answer = joined.get(timeout=WITHIN)
    assert (sum(answer["counts"].values()), answer["source"]) == (103, "executed")
    assert bought()["circuits_accepted"] == 1


def test_a_revoke_that_comes_too_late_changes_nothing() -> None:
    result = submit_circuit.delay(bell(0.4), shots=104)
    answer = result.get(timeout=WITHIN)
    result.revoke()
    assert cancel(result, "nobody") == [False, False]
    again = AsyncResult(result.id, app=app)
    assert (again.state, again.get(timeout=WITHIN)) == ("SUCCESS", answer)
    assert status("nobody")["state"] == "PENDING"


@pytest.mark.usefixtures("held")
def test_every_worker_answers_a_revoke_as_celery_s_own_does() -> None:
    result = submit_circuit.delay(bell(0.5), shots=105)
    replies = NO_QSTORE.control.revoke(result.id, reply=True, timeout=WITHIN, limit=2)
    assert sorted(name.split("@")[0] for reply in replies for name in reply) == ["worker1", "worker2"]
    assert all("flagged as revoked" in said["ok"] for reply in replies for said in reply.values())
    revoked(result)


# -- many ---------------------------------------------------------------------------------------------------


def test_all_of_a_bulk_call_is_revoked_at_once(slow: Callable[[float], None]) -> None:
    slow(600)
    results = submit_circuits([bell(0.6 + index / 1000) for index in range(30)], shots=106)
    results.revoke()
    revoked(*results.results)


def test_a_group_is_revoked_at_once(slow: Callable[[float], None]) -> None:
    slow(600)
    results = group(submit_circuit.s(bell(0.7 + index / 1000), shots=107) for index in range(4))()
    at_ionq(*results.results)
    results.revoke()
    revoked(*results.results)


@pytest.mark.parametrize("without_qstore", [False, True])
def test_jobs_are_revoked_by_what_they_are_stamped_with(slow: Callable[[float], None], without_qstore: bool) -> None:
    slow(600)
    stamped, other = (
        submit_circuit.apply_async(
            (bell(0.8 + number / 10 + without_qstore / 100),),
            {"shots": 108},
            stamped_headers=["tenant"],
            tenant=f"tenant {number} {without_qstore}",
        )
        for number in range(2)
    )
    at_ionq(stamped, other)
    control = NO_QSTORE.control if without_qstore else app.control
    control.revoke_by_stamped_headers({"tenant": [f"tenant 0 {without_qstore}"]})
    assert stamped.state == "REVOKED" or without_qstore
    revoked(stamped)
    assert cancel(other) == [True]


# -- what waits for a job -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cached(sandbox: Sandbox) -> QuantumCircuit:  # noqa: ARG001 - it has to run
    """A circuit whose counts are known, at 109 shots."""
    circuit = bell(0.9)
    submit_circuit.delay(circuit, shots=109).get(timeout=WITHIN)
    return circuit


@pytest.mark.parametrize("way", ["result", "cancel", "a process without qstore"])
def test_a_chord_hears_of_a_revoked_member_as_of_a_plain_task(
    slow: Callable[[float], None], cached: QuantumCircuit, way: str
) -> None:
    def body(name: str) -> Any:
        return ARGUMENTS.s().on_error(ARGUMENTS.s().set(task_id=f"told {name} {way}"))

    plain = chord([ARGUMENTS.s(1), ARGUMENTS.s(2).set(countdown=0.3)], body("plain"))()
    plain.parent.results[1].revoke()
    slow(600)
    ours = chord([submit_circuit.s(circuit, shots=109) for circuit in (cached, bell(0.91))], body("ours"))()
    at_ionq(ours.parent.results[1])
    WAYS[way](ours.parent.results[1])
    for result, name in ((plain, "plain"), (ours, "ours")):
        assert [ends(member) for member in result.parent.results] == ["SUCCESS", "REVOKED"]
        assert ends(result) == "FAILURE"
        assert isinstance(result.result, ChordError)
        assert str(result.result) == f"Dependency {result.parent.results[1].id} raised TaskRevokedError('revoked')"
        assert AsyncResult(f"told {name} {way}", app=app).get(timeout=WITHIN) == [result.id]
        revoked(result.parent.results[1])


@pytest.mark.parametrize("way", ["result", "cancel", "a process without qstore"])
def test_a_chain_ends_at_its_revoked_link_as_at_a_plain_task(
    slow: Callable[[float], None], bought: Bought, way: str
) -> None:
    plain = chain(ARGUMENTS.s(1).set(countdown=0.3), ARGUMENTS.s(2))()
    plain.parent.revoke()
    slow(600)
    ours = chain(submit_circuit.s(bell(1.0), shots=110), submit_circuit.si(bell(1.01), shots=110))()
    at_ionq(ours.parent)
    WAYS[way](ours.parent)
    for result in (plain, ours):
        assert ends(result.parent) == "REVOKED"
        with pytest.raises(TaskRevokedError):
            result.get(timeout=WITHIN)
    assert ours.state == plain.state == "PENDING"
    assert bought()["circuits_accepted"] == 1


def test_a_later_link_of_a_chain_is_revoked_before_its_turn(slow: Callable[[float], None], bought: Bought) -> None:
    slow(0.5)
    second = chain(submit_circuit.s(bell(1.1), shots=111), submit_circuit.si(bell(1.11), shots=111))()
    second.revoke()
    assert sum(second.parent.get(timeout=WITHIN)["counts"].values()) == 111
    assert ends(second) == "REVOKED"
    assert bought()["circuits_accepted"] == 1
