"""Every circuit gets what its own child gave, in few requests; what fails or takes too long ends with clear words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import httpx
import pytest
from celery.result import AsyncResult
from qiskit import QuantumCircuit

from producer import Producer, all_over
from qstore import errors
from qstore.app import app
from qstore.job import Options
from qstore.preparation import Caller
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import CANCEL, CHILDREN, JOB, LOOK, RESULT, SHARES, SOME_CHILDREN, SUBMIT, Part, ScriptedIonQ

pytestmark = pytest.mark.usefixtures("redis_server")

Replicas = Callable[..., Any]


class Asker:
    """Asks for circuits each of which has one outcome, a different one."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._producer = Producer(connection, keys)
        self._client: Any = connection.client
        self._expected: dict[str, str] = {}
        self.results: list[AsyncResult] = []

    def submit(self, count: int, **options: Any) -> list[AsyncResult]:
        prepared = []
        width = count.bit_length()
        for state in range(1, count + 1):
            circuit = QuantumCircuit(width, width)
            for qubit in range(width):
                if state >> qubit & 1:
                    circuit.x(qubit)
            circuit.measure(range(width), range(width))
            job_id = f"{self._producer.keys.prefix}{state}"
            self._expected[job_id] = f"{state:0{width}b}"
            prepared.append(self._producer.preparation.prepare(Caller(job_id), circuit, Options(shots=50, **options)))
        submitted = self._producer.submission.submit(prepared)
        self.results = [AsyncResult(each.job_id, app=app) for each in submitted]
        return self.results

    def over(self) -> bool:
        return all_over(self._producer, self.results)()

    def has_counts(self, results: Sequence[AsyncResult]) -> bool:
        """Whether they have, and have the right ones."""
        return all(result.get()["counts"] == {self._expected[result.id]: 50} for result in results)

    def pauses(self, seconds: float) -> bool:
        """Whether the next look at the only batch is about that far away; a lease is longer."""
        due: Any = self._client.zrange(self._producer.keys.due, 0, -1, withscores=True)
        left = [float(at) / 1000 - time.time() for _, at in due]
        return len(left) == 1 and seconds - 15 < left[0] < seconds + 5

    def look_now(self) -> None:
        """Let every pause be over."""
        due = self._producer.keys.due
        self._client.zadd(due, dict.fromkeys(self._client.zrange(due, 0, -1), 0))


@pytest.fixture
def asker(connection: Connection, keys: Keys) -> Asker:
    return Asker(connection, keys)


@pytest.fixture
def ionq() -> Iterator[ScriptedIonQ]:
    server = ScriptedIonQ()
    yield server
    server.close()


def running(part: Part) -> None:
    for each in (part, *part.children):
        each.document["status"] = "started"


def fails(result: AsyncResult, kind: type[Exception], *said: str) -> None:
    """Make sure of a job's failure, and of what it says."""
    with pytest.raises(kind) as caught:
        result.get()
    assert all(words in str(caught.value) for words in said), caught.value


# -- which child is which, and at what price ----------------------------------------------------------------


def test_a_default_batch_costs_two_requests_besides_the_look(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = asker.submit(10)
    replica(ionq.url, batch_size=10).turn_until(asker.over, "counts")
    assert ionq.beyond_looks() == [CHILDREN, SHARES]
    assert asker.has_counts(results)


def test_a_single_circuit_costs_one_request_besides_the_look(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = asker.submit(1)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert ionq.beyond_looks() == [RESULT]
    assert asker.has_counts(results)


def test_a_large_batch_costs_three_requests_besides_the_look(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    results = asker.submit(60)
    replica(ionq.url, batch_size=60).turn_until(asker.over, "counts")
    assert ionq.beyond_looks() == [JOB, CHILDREN, SHARES]
    assert asker.has_counts(results)


def test_a_thousand_circuits_in_batches_of_a_hundred_cost_at_most_sixty_requests(
    asker: Asker, replica: Replicas, stand_in: Any
) -> None:
    before = stand_in.stats()["requests"]
    results = asker.submit(1000)
    replica(stand_in.url, batch_size=100, poll_floor=0.5).turn_until(asker.over, "counts")
    assert stand_in.stats()["requests"] - before <= 60
    assert asker.has_counts(results)


@pytest.mark.parametrize("count", [3, 30])
def test_children_without_names_are_told_by_the_job_s_own_order(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, count: int
) -> None:
    def nameless(job: Part) -> None:
        for child in job.children:
            child.document["name"] = None

    ionq.prepare = nameless
    results = asker.submit(count)
    replica(ionq.url, batch_size=count).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_names_are_believed_where_the_job_s_order_contradicts_them(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = lambda job: setattr(job, "order", lambda ids: ids[::-1])
    results = asker.submit(60)
    replica(ionq.url, batch_size=60).turn_until(asker.over, "counts")
    assert ionq.beyond_looks() == [JOB, *[CHILDREN] * 3, SHARES]
    assert asker.has_counts(results)


@pytest.mark.parametrize("order", [lambda ids: ids[:-1], lambda ids: [ids[0], *ids[:-1]], lambda _: None])
def test_an_order_that_is_none_is_not_needed_where_there_are_names(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, order: Callable[[list[str]], Any]
) -> None:
    ionq.prepare = lambda job: setattr(job, "order", order)
    results = asker.submit(30)
    replica(ionq.url, batch_size=30).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_children_that_cannot_be_told_apart_fail_the_batch_after_a_few_looks(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    def confuse(job: Part) -> None:
        first, second, _ = job.children
        first.document["name"] = second.document["name"]

    ionq.prepare = confuse
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "the failure")
    for result in results:
        fails(result, errors.InvalidResultError, "job-1", "cannot be told", "twice: '1-")
    assert ionq.asked.count(LOOK) == 4


def test_children_that_can_be_told_apart_after_all_are_not_given_up(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.instead[CHILDREN].append((200, {"jobs": [], "next": None}))
    ionq.instead[JOB].append((200, {"id": "job-1", "status": "completed", "child_job_ids": None}))
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


@pytest.mark.parametrize("fault", ["reordered", "children_reordered"])
@pytest.mark.parametrize("count", [3, 30])
def test_answers_in_another_order_mix_nothing_up(
    asker: Asker, replica: Replicas, stand_in: Any, fault: str, count: int
) -> None:
    with committing(stand_in, {"kind": fault, "probability": 1}):
        results = asker.submit(count)
        replica(stand_in.url, batch_size=count).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


# -- one child's fault is its own ---------------------------------------------------------------------------


@contextmanager
def committing(stand_in: Any, *faults: dict[str, Any]) -> Iterator[None]:
    """Tell the stand-in what to do wrong meanwhile."""
    address = stand_in.url.replace("/v0.4", "/sandbox/faults")
    httpx.post(address, json=list(faults), trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(address, trust_env=False).raise_for_status()


def test_a_failed_child_fails_its_own_job_only_in_ionq_s_words(asker: Asker, replica: Replicas, stand_in: Any) -> None:
    with committing(stand_in, {"kind": "child_failed", "positions": [1], "code": "TooManyGates"}):
        results = asker.submit(3)
        replica(stand_in.url).turn_until(asker.over, "the end")
    fails(results.pop(1), errors.IonQJobFailedError, "TooManyGates: ", "as it was told to")
    assert asker.has_counts(results)


@pytest.mark.parametrize("fault", ["missing_child", "empty_child"])
def test_a_child_left_out_of_the_results_is_asked_itself(
    asker: Asker, replica: Replicas, stand_in: Any, fault: str
) -> None:
    with committing(stand_in, {"kind": fault, "positions": [0, 2], "count": 1}):
        results = asker.submit(30)
        replica(stand_in.url, batch_size=30).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_a_slow_child_is_waited_for(asker: Asker, replica: Replicas, stand_in: Any) -> None:
    with committing(stand_in, {"kind": "child_slow", "positions": [1], "delay": 0.3}):
        results = asker.submit(3)
        replica(stand_in.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


@pytest.mark.parametrize("share", [None, {}, {"99999": 1.0}, {"1": 0.5}, {"1": "much"}, "0110"])
def test_a_child_whose_own_result_is_no_better_fails_alone(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, share: Any
) -> None:
    ionq.prepare = lambda job: setattr(job.children[1], "share", share)
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "the end")
    assert ionq.beyond_looks() == [CHILDREN, SHARES, RESULT]
    fails(results.pop(1), errors.InvalidResultError, "IonQ")
    assert asker.has_counts(results)


def test_a_child_whose_own_result_ionq_refuses_to_show_fails_alone(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = lambda job: setattr(job.children[1], "share", None)
    ionq.always[RESULT] = 404, {"message": "no result"}
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "the end")
    fails(results.pop(1), errors.InvalidResultError, "job-1-child-1", "404: no result")
    assert asker.has_counts(results)


def test_a_child_whose_own_result_never_comes_does_not_hold_up_the_others_for_ever(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare = lambda job: setattr(job.children[1], "share", None)
    ionq.always[RESULT] = 500, {}
    results = asker.submit(3)
    replica(ionq.url, failure_threshold=1000).turn_until(asker.over, "the end")
    assert ionq.asked.count(RESULT) == 4
    fails(results.pop(1), errors.InvalidResultError, "job-1-child-1", "500")
    assert asker.has_counts(results)


def test_a_job_without_results_of_all_children_at_once_is_read_child_by_child(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.always[SHARES] = 404, {"message": "not yet"}
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


@pytest.mark.parametrize("count", [3, 30])
@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_children_that_completed_under_a_job_that_did_not_give_their_counts(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, count: int, status: str
) -> None:
    def mostly_lost(job: Part) -> None:
        job.document.update(status=status, results=None, failure={"code": "SystemCancel", "message": "all of it"})
        for child in job.children[2:]:
            child.document.update(status=status, failure={"code": "QuantumComputerError", "message": "this one"})
        job.children[-1].document["status"] = "submitted"  # and never comes to run

    ionq.prepare = mostly_lost
    results = asker.submit(count)
    replica(ionq.url, batch_size=count).turn_until(asker.over, "the end")
    assert asker.has_counts(results[:2])
    if status == "failed":
        fails(results[-1], errors.IonQJobFailedError, "SystemCancel: all of it")
        for result in results[2:-1]:
            fails(result, errors.IonQJobFailedError, "QuantumComputerError: this one")
    else:
        for result in results[2:]:
            fails(result, errors.IonQJobCanceledError, "job-1")
    assert ionq.asked.count(SOME_CHILDREN) == (1 if count > 25 else 0)


def test_a_failed_job_whose_children_nobody_knows_fails_in_its_own_words(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    def lost(job: Part) -> None:
        job.document.update(status="failed", results=None, failure={"code": "PreflightError", "message": "no"})
        job.children.clear()

    ionq.prepare = lost
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "the failure")
    for result in results:
        fails(result, errors.IonQJobFailedError, "PreflightError: no")


# -- what cannot be read now is read later ------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 401, 403, 408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("kind", [LOOK, CHILDREN, SHARES])
def test_a_reading_that_fails_for_now_fails_no_job(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, kind: str, status: int
) -> None:
    ionq.instead[kind].extend([(status, {})] * 2)
    ionq.headers = {"Retry-After": "0"}
    results = asker.submit(3)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)
    assert ionq.asked.count(SUBMIT) == 1


@pytest.mark.parametrize("said", [(200, {}), (200, None), (200, {"1": 0.1}), (404, {"message": "not yet"}), (503, {})])
def test_a_paid_result_is_not_thrown_away_for_one_bad_answer(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, said: tuple[int, Any]
) -> None:
    ionq.instead[RESULT].extend([said] * 2)
    results = asker.submit(1)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_a_result_that_never_makes_sense_fails_after_a_few_looks(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.always[RESULT] = 200, {}
    results = asker.submit(1)
    replica(ionq.url).turn_until(asker.over, "the failure")
    fails(results[0], errors.InvalidResultError, "no distribution")
    assert ionq.asked.count(RESULT) == 4


def test_a_result_elsewhere_than_at_ionq_is_not_fetched_with_the_key(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, answering: Any
) -> None:
    ionq.prepare = lambda job: job.document.update(results={"probabilities": {"url": f"{answering.url}/elsewhere"}})
    results = asker.submit(1)
    replica(ionq.url).turn_until(asker.over, "the failure")
    fails(results[0], errors.InvalidResultError, "not at IonQ")
    assert answering.asked == []


def test_one_job_that_ionq_does_not_like_to_be_asked_for_does_not_hide_the_others(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.always[LOOK] = 400, {"message": "one of these ids is odd"}
    results = asker.submit(6)
    replica(ionq.url).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_a_retry_after_is_respected(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    ionq.always[LOOK], ionq.headers = (429, {}), {"Retry-After": "100"}
    asker.submit(3)
    replica(ionq.url).turn_until(lambda: asker.pauses(100), "the pause")
    assert ionq.asked == [SUBMIT, LOOK]


def test_while_the_guard_says_no_nothing_is_asked(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    def closed() -> NoReturn:
        raise errors.BreakerOpen("The circuit breaker is open.", 100.0)

    results = asker.submit(3)
    turning = replica(ionq.url, job_timeout_simulator=1000.0)
    collect = turning.resources.loop._collect
    opened, collect._guard = collect._guard, closed
    turning.turn_until(lambda: asker.pauses(100), "the pause")
    assert ionq.asked == [SUBMIT]

    collect._guard = opened
    asker.look_now()
    turning.turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_each_place_is_reached_in_its_turn(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    places: list[tuple[str, list[str]]] = []
    asker.submit(3)
    turning = replica(ionq.url)
    turning.resources.loop._collect._reached = lambda place: places.append((place, ionq.beyond_looks()))
    turning.turn_until(asker.over, "counts")
    assert places[-2:] == [("collect.looked", []), ("collect.read", [CHILDREN, SHARES])]


# -- what takes too long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "setting"), [("simulator", "simulator"), ("qpu.forte-1", "qpu")])
def test_a_job_that_takes_too_long_is_canceled_and_says_so(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, backend: str, setting: str
) -> None:
    ionq.prepare = running
    results = asker.submit(3, backend=backend)
    replica(ionq.url, **{f"job_timeout_{setting}": 0.1}).turn_until(asker.over, "the end")
    for result in results:
        fails(result, errors.JobTimeoutError, "job-1", backend, "0.1 s", "it was canceled")
    assert ionq.asked.count(CANCEL) == 1


def test_the_other_kind_of_backend_has_its_own_timeout(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    ionq.prepare = running
    results = asker.submit(3)
    turning = replica(ionq.url, job_timeout_qpu=0.001)
    turning.turn_until(lambda: ionq.asked.count(LOOK) > 3, "looks")
    assert CANCEL not in ionq.asked
    for part in ionq.parts.values():
        part.document["status"] = "completed"
    turning.turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def test_the_stand_in_s_slow_job_is_canceled_there(asker: Asker, replica: Replicas, stand_in: Any) -> None:
    with committing(stand_in, {"kind": "slow", "latency": 600}):
        (result,) = asker.submit(1)
        replica(stand_in.url, job_timeout_simulator=0.1).turn_until(asker.over, "the end")
    fails(result, errors.JobTimeoutError, "simulator", "it was canceled")


def test_counts_count_where_the_job_completed_before_it_was_canceled(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    ionq.prepare, ionq.on_cancel = running, completed
    results = asker.submit(3)
    replica(ionq.url, job_timeout_simulator=0.05).turn_until(asker.over, "counts")
    assert asker.has_counts(results)


def completed(job: Part) -> tuple[int, Any]:
    for each in (job, *job.children):
        each.document["status"] = "completed"
    return 409, {"message": "it is completed"}


def test_children_that_completed_before_the_job_was_canceled_keep_their_counts(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    def mostly(job: Part) -> None:
        running(job)
        job.children[0].document["status"] = "completed"

    ionq.prepare = mostly
    results = asker.submit(3)
    replica(ionq.url, job_timeout_simulator=0.05).turn_until(asker.over, "the end")
    assert asker.has_counts(results[:1])
    for result in results[1:]:
        fails(result, errors.JobTimeoutError, "it was canceled")


def test_a_job_that_ionq_would_not_cancel_may_still_run(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    ionq.prepare = running
    ionq.always[CANCEL] = 409, {"message": "not now"}
    results = asker.submit(3)
    replica(ionq.url, job_timeout_simulator=0.05).turn_until(asker.over, "the end")
    for result in results:
        fails(result, errors.JobTimeoutError, "job-1", "409: not now", "may still run")


def test_a_job_that_ionq_forgot_ends_with_its_timeout(asker: Asker, replica: Replicas, stand_in: Any) -> None:
    with committing(stand_in, {"kind": "forgotten"}):
        results = asker.submit(3)
        replica(stand_in.url, job_timeout_simulator=0.1).turn_until(asker.over, "the end")
    for result in results:
        fails(result, errors.JobTimeoutError, "IonQ does not know the job", "may still run")


def test_a_job_that_stays_as_it_is_ends_with_the_grace(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    ionq.prepare = running
    ionq.on_cancel = lambda job: (200, {"id": job.id, "status": "canceled"})
    results = asker.submit(3)
    impatient(replica(ionq.url, job_timeout_simulator=0.05)).turn_until(asker.over, "the end")
    for result in results:
        fails(result, errors.JobTimeoutError, "job-1", "started still", "may still run")
    assert ionq.asked.count(CANCEL) >= 2


def impatient(turning: Any) -> Any:
    turning.resources.loop._collect._pace._grace = 0.1
    return turning


@pytest.mark.parametrize("status", [0, 401, 429, 503])
def test_where_ionq_cannot_be_asked_the_job_ends_with_the_grace(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ, status: int
) -> None:
    for kind in (LOOK, CANCEL, JOB):
        ionq.always[kind] = status, {}
    results = asker.submit(3)
    impatient(replica(ionq.url, job_timeout_simulator=0.05, failure_threshold=1000)).turn_until(asker.over, "the end")
    for result in results:
        fails(result, errors.JobTimeoutError, "job-1", "could not be asked", "may still run")


def test_a_slow_child_is_canceled_too_and_its_siblings_keep_their_counts(
    asker: Asker, replica: Replicas, ionq: ScriptedIonQ
) -> None:
    def one_is_slow(job: Part) -> None:
        job.children[1].document["status"] = "started"
        job.children[1].share = None

    ionq.prepare = one_is_slow
    results = asker.submit(3)
    replica(ionq.url, job_timeout_simulator=0.05).turn_until(asker.over, "the end")
    fails(results.pop(1), errors.JobTimeoutError, "it was canceled")
    assert asker.has_counts(results)


def test_a_job_canceled_by_somebody_else_is_no_timeout(asker: Asker, replica: Replicas, ionq: ScriptedIonQ) -> None:
    ionq.prepare = lambda job: job.document.update(status="canceled")
    results = asker.submit(1)
    replica(ionq.url).turn_until(asker.over, "the end")
    fails(results[0], errors.IonQJobCanceledError, "job-1")


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_passes(replica: Replicas, answering: Any, status: int) -> None:
    answering.status, answering.body = status, b'{"message": "who are you?"}'
    with pytest.raises(errors.IonQUnauthorizedError, match=f"{status}: who are you"):
        replica(answering.url).resources._ionq.job("a-job")
    assert issubclass(errors.IonQUnauthorizedError, errors.TransientError)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_a_refusal_says_its_status(replica: Replicas, answering: Any, status: int) -> None:
    answering.status, answering.body = status, b'{"message": "too odd"}'
    with pytest.raises(errors.IonQRefusedError, match=f"{status}: too odd") as caught:
        replica(answering.url).resources._ionq.job("a-job")
    assert caught.value.status == status


def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(replica: Replicas, answering: Any) -> None:
    answering.status, answering.body = 200, b"<html>sign in first</html>"
    with pytest.raises(errors.IonQUnavailableError):
        list(replica(answering.url).resources._ionq.recent())
