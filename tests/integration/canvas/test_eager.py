"""Jobs that are waited for where they are asked for: Celery's eager mode, and calls from inside other tasks."""

from __future__ import annotations

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError
from celery.result import EagerResult

from integration.canvas import plain
from integration.canvas.books import Bought
from integration.canvas.hold import Hold, fresh
from integration.canvas.sources import WITHIN, Source
from qstore import cancel, errors, submit_circuit
from qstore.app import app
from qstore.circuits.codec import decode

_SLOTS = 4  # of the worker

pytestmark = pytest.mark.filterwarnings("error:Results are not stored in backend")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Celery's eager mode in this process; the worker is as ever."""
    monkeypatch.setitem(app.conf, "task_always_eager", value=True)
    return monkeypatch


@pytest.mark.usefixtures("eager")
def test_eager_calls_give_what_workers_counted(source: Source) -> None:
    text, shots = source.call()
    result = submit_circuit.delay(decode(text), shots)
    assert isinstance(result, EagerResult)
    answer = result.get()
    assert (result.state, answer["source"], answer["shots"]) == ("SUCCESS", source.name, shots)
    text, shots = source.call()
    ignored = submit_circuit.apply_async((text, shots), ignore_result=True, countdown=60, expires=1, queue="elsewhere")
    assert ignored.get()["shots"] == shots


@pytest.mark.usefixtures("eager")
def test_eager_canvases_give_what_workers_counted(source: Source) -> None:
    calls = source.calls(6)
    jobs = [submit_circuit.si(*call) for call in calls]
    shots = [shots for _, shots in calls]
    assert [answer["shots"] for answer in group(jobs[:2])().get()] == shots[:2]
    assert (jobs[2] | plain.shots.s())().get() == shots[2]
    assert chord(jobs[3:5], plain.shots.s())().get() == sum(shots[3:5])
    assert [answer["shots"] for answer in submit_circuit.starmap([calls[5]]).delay().get()] == [shots[5]]


@pytest.mark.usefixtures("eager")
def test_an_eager_failure_is_in_its_result() -> None:
    result = submit_circuit.delay("garbage")
    assert result.failed()
    with pytest.raises(errors.InvalidOpenQASMError):
        result.get()
    chained = chain(submit_circuit.si("garbage"), plain.give.si(1))
    with pytest.raises(errors.InvalidOpenQASMError):
        chained().get()


def test_an_eager_failure_is_raised_where_it_is_to_propagate(eager: pytest.MonkeyPatch) -> None:
    eager.setitem(app.conf, "task_eager_propagates", value=True)
    with pytest.raises(errors.InvalidOpenQASMError):
        submit_circuit.delay("garbage")


@pytest.mark.usefixtures("fault")
def test_a_call_that_waits_raises_what_ionq_says() -> None:
    with pytest.raises(errors.IonQJobFailedError, match="SimulationError"):
        submit_circuit(*fresh())


def test_a_call_that_waits_ends_when_its_job_is_canceled(hold: Hold) -> None:
    call = hold.call()
    result = plain.call_directly.delay(*call)
    hold.wait_for(call, 1)
    assert cancel(hold.jobs(call)[0]["job_id"]) == [True]
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN)


def test_tasks_that_wait_for_circuits_in_every_slot_do_not_stop_each_other(source: Source) -> None:
    calls = source.calls(2 * _SLOTS)
    results = group(plain.call_directly.si(*call) for call in calls)().get(timeout=WITHIN)
    assert [(answer["source"], answer["shots"]) for answer in results] == [(source.name, shots) for _, shots in calls]


def test_full_batches_leave_while_every_slot_waits(bought: Bought) -> None:
    circuits = [fresh()[0] for _ in range(10)]
    results = group(plain.call_directly.si(circuit, 77) for circuit in circuits[:_SLOTS])()
    more = group(submit_circuit.si(circuit, 77) for circuit in circuits[_SLOTS:])()
    assert {answer["shots"] for answer in [*results.get(timeout=WITHIN), *more.get(timeout=WITHIN)]} == {77}
    assert bought()["circuits_accepted"] == 10
