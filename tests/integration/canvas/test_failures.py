"""What fails, fails as Celery says: at the call where it stands alone, as a member where it is part of a canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Signature, chain, chord, group
from celery.exceptions import ChordError
from celery.result import AsyncResult

from integration.canvas import plain
from integration.canvas.books import Bought
from integration.canvas.hold import Hold, fresh
from integration.canvas.notes import Notes
from integration.canvas.sources import WITHIN
from qstore import errors, submit_circuit
from qstore.app import app
from qstore.door import door

GARBAGE = submit_circuit.si("garbage", 10)

BAD: dict[str, tuple[Callable[[], Signature], type[Exception]]] = {
    "no OpenQASM": (lambda: submit_circuit.si("garbage"), errors.InvalidOpenQASMError),
    "no circuit": (lambda: submit_circuit.si(42), errors.InvalidCircuitError),
    "nothing that JSON knows": (lambda: submit_circuit.si(object()), errors.InvalidCircuitError),
    "no argument": (submit_circuit.si, errors.InvalidJobError),
    "no shots": (lambda: submit_circuit.si(fresh()[0], shots=0), errors.InvalidShotsError),
    "no such option": (lambda: submit_circuit.si(*fresh(), shtos=1), errors.UnknownOptionError),
    "no time": (lambda: submit_circuit.si(*fresh()).set(expires="soon"), errors.InvalidOptionError),
}


@pytest.mark.parametrize("what", BAD)
def test_alone_it_is_refused_at_the_call(bought: Bought, published: list[Any], what: str) -> None:
    build, error = BAD[what]
    with pytest.raises(error):
        build().delay()
    with pytest.raises(error):
        build().apply_async(countdown=0.1, link=plain.give.s())
    assert not published
    assert bought()["jobs_accepted"] == 0


@pytest.mark.parametrize("what", BAD)
def test_in_a_group_it_fails_and_the_others_succeed(what: str) -> None:
    build, error = BAD[what]
    one, other = fresh(), fresh()
    first, bad, last = group(submit_circuit.si(*one), build(), submit_circuit.si(*other))().results
    with pytest.raises(error):
        bad.get(timeout=WITHIN)
    assert bad.state == "FAILURE"
    assert [result.get(timeout=WITHIN)["shots"] for result in (first, last)] == [one[1], other[1]]


def body_of(result: AsyncResult) -> Any:
    """How a chord's body ended; its parent, the header, has an error of its own."""
    return result.get(timeout=WITHIN, propagate=False)


def test_in_the_header_of_a_chord_it_fails_the_body_and_its_errback_hears(notes: Notes) -> None:
    call = fresh()
    heard = plain.hear.s(notes.key)
    result = chord([submit_circuit.si(*call), GARBAGE], plain.give.s().on_error(heard))()
    error = body_of(result)
    good, bad = result.parent.results
    assert isinstance(error, ChordError)
    assert f"{bad.id} raised InvalidOpenQASMError" in str(error)
    assert notes.read() == [f"{result.id} ChordError"]
    assert bad.state == "FAILURE"
    assert good.get(timeout=WITHIN)["shots"] == call[1]


@pytest.mark.parametrize(
    "canvas",
    [
        lambda: chain(GARBAGE, plain.give.si(1)),
        lambda: chain(submit_circuit.si(*fresh()), GARBAGE, plain.give.si(1)),
        lambda: chain(plain.give.si(1), GARBAGE, submit_circuit.si(*fresh())),
        lambda: chain(submit_circuit.si(*fresh()), GARBAGE),
        lambda: chain(submit_circuit.si(*fresh()), submit_circuit.s()),
    ],
    ids=["first", "second", "middle", "last", "handed on"],
)
def test_a_chain_stops_where_a_member_fails(notes: Notes, canvas: Callable[[], Signature]) -> None:
    result = canvas().apply_async(link_error=plain.note.si("stopped", notes.key))
    with pytest.raises(errors.InvalidCircuitError):
        result.get(timeout=WITHIN)
    assert notes.read() == ["stopped"]
    line = [result, *result._parents()]
    states = [each.state for each in reversed(line)]
    assert "FAILURE" in states
    assert states == sorted(states, reverse=True)  # SUCCESS up to the member that failed, FAILURE from there


def test_a_chain_in_a_group_fails_alone() -> None:
    call = fresh()
    result = group(chain(GARBAGE, plain.give.si(1)), submit_circuit.si(*call))()
    bad, good = result.results
    with pytest.raises(errors.InvalidOpenQASMError):
        bad.get(timeout=WITHIN)
    assert good.get(timeout=WITHIN)["shots"] == call[1]


def test_a_body_that_cannot_run_fails_with_its_own_error() -> None:
    result = chord([plain.give.si(1), plain.give.si(2)], submit_circuit.s(shots=10))()  # a list is no circuit
    assert isinstance(body_of(result), errors.InvalidCircuitError)


def test_a_callback_that_cannot_run_leaves_its_parent_alone() -> None:
    call = fresh()
    result = submit_circuit.apply_async(call, link=GARBAGE)
    assert result.get(timeout=WITHIN)["shots"] == call[1]
    (callback,) = result.children
    with pytest.raises(errors.InvalidOpenQASMError):
        callback.get(timeout=WITHIN)


def test_a_chain_that_fails_in_a_chord_hands_its_failure_up(notes: Notes) -> None:
    header = [chain(GARBAGE, plain.give.si(1)), chain(submit_circuit.si(*fresh()), GARBAGE)]
    result = chord(header, plain.give.s().on_error(plain.hear.s(notes.key)))()
    assert isinstance(body_of(result), ChordError)
    assert notes.read() == [f"{result.id} ChordError"]


def test_a_full_queue_fails_members_and_refuses_single_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = door().claims
    full = type(claims._budget)(claims._budget.connection, claims._budget.keys, limit=0)
    monkeypatch.setattr(claims, "_budget", full)
    with pytest.raises(errors.QueueFull):
        submit_circuit.delay(*fresh())
    for result in group(submit_circuit.si(*fresh()) for _ in range(2))().results:
        with pytest.raises(errors.QueueFull):
            result.get(timeout=WITHIN)


# -- what fails at IonQ -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fault")
def test_a_circuit_that_fails_at_ionq_fails_whoever_waits_for_it(hold: Hold, notes: Notes) -> None:
    call = hold.call()
    alone = submit_circuit.delay(*call)
    joined = submit_circuit.delay(*call)
    linked = submit_circuit.apply_async(
        call, link=plain.note.si("went well", notes.key), link_error=plain.hear.s(notes.key)
    )
    chained = chain(submit_circuit.si(*call), plain.give.s())()
    in_chord = chord([submit_circuit.si(*call), plain.give.si(1)], plain.give.s())()
    # one waits directly, one joined, three came as messages
    hold.wait_for(call, 5)
    hold.let_go()
    for result in (alone, joined, linked, chained, chained.parent):
        with pytest.raises(errors.IonQJobFailedError, match="SimulationError"):
            result.get(timeout=WITHIN, follow_parents=False)
        assert result.state == "FAILURE"
    assert isinstance(body_of(in_chord), ChordError)
    assert notes.read() == [f"{linked.id} IonQJobFailedError"]


@pytest.mark.usefixtures("fault")
def test_another_circuit_can_stand_in_for_one_that_fails(notes: Notes) -> None:
    other = fresh()
    fallback = submit_circuit.si(*other).set(link=plain.note.s("stood in", notes.key))
    result = submit_circuit.apply_async(fresh(), link_error=fallback)
    with pytest.raises(errors.IonQJobFailedError):
        result.get(timeout=WITHIN)
    assert notes.read() == ["stood in"]
    assert submit_circuit.delay(*other).get(timeout=WITHIN)["source"] == "cached"


def test_a_plain_task_that_fails_keeps_the_circuits_behind_it_from_running(bought: Bought) -> None:
    result = chain(plain.fail.si(), submit_circuit.si(*fresh()))()
    with pytest.raises(ValueError, match="as it was told to"):
        result.get(timeout=WITHIN)
    in_chord = chord([plain.fail.si(), submit_circuit.si(*fresh())], submit_circuit.si(*fresh()))()
    assert isinstance(body_of(in_chord), ChordError)
    in_chord.parent.results[1].get(timeout=WITHIN)
    assert bought()["circuits_accepted"] == 1
    assert app.AsyncResult(in_chord.id).state == "FAILURE"
