"""`map`, `starmap` and `chunks` over circuits fill batches and hold no slot; over other tasks they are Celery's."""

from __future__ import annotations

from typing import Any

import pytest
from celery import xmap, xstarmap
from celery.exceptions import ChordError

from integration.canvas import plain
from integration.canvas.books import Bought
from integration.canvas.ears import Ears
from integration.canvas.hold import Hold, fresh
from integration.canvas.sources import WITHIN, Source
from qstore import submit_circuit
from qstore.app import app
from qstore.circuits.codec import decode

_SLOTS = 4  # of the worker


def test_starmap_gives_a_list_in_order(source: Source) -> None:
    calls = source.calls(4)
    answers = submit_circuit.starmap(calls).delay().get(timeout=WITHIN)
    assert [(answer["source"], answer["shots"]) for answer in answers] == [(source.name, shots) for _, shots in calls]


def test_starmap_over_one_gives_a_list_of_one(source: Source) -> None:
    text, shots = source.call()
    (answer,) = submit_circuit.starmap([(decode(text), shots)]).delay().get(timeout=WITHIN)
    assert (answer["source"], answer["shots"]) == (source.name, shots)


def test_chunks_give_lists_of_lists(source: Source) -> None:
    calls = source.calls(5)
    chunks = submit_circuit.chunks([(decode(text), shots) for text, shots in calls], 2)().get(timeout=WITHIN)
    assert [[answer["shots"] for answer in chunk] for chunk in chunks] == [
        [shots for _, shots in calls[start : start + 2]] for start in (0, 2, 4)
    ]


def test_a_map_of_ten_circuits_is_one_batch(bought: Bought) -> None:
    answers = submit_circuit.map(decode(fresh()[0]) for _ in range(10)).delay().get(timeout=WITHIN)
    assert len({answer["fingerprint"] for answer in answers}) == 10
    seen = bought()
    assert seen["circuits_accepted"] == 10
    assert seen["jobs_accepted"] == 1


def test_options_of_the_mapped_signature_are_those_of_every_item() -> None:
    answers = xmap(submit_circuit.s(shots=31), [fresh()[0] for _ in range(2)], app=app).delay().get(timeout=WITHIN)
    assert [answer["shots"] for answer in answers] == [31, 31]


def test_maps_that_wait_for_a_machine_hold_no_slot_of_the_worker(hold: Hold) -> None:
    calls = [hold.call() for _ in range(2 * (_SLOTS + 1))]
    maps = [submit_circuit.starmap(calls[start : start + 2]).delay() for start in range(0, len(calls), 2)]
    for number in range(_SLOTS + 1):
        assert plain.give.delay(number).get(timeout=WITHIN) == number
    assert not any(each.ready() for each in maps)
    hold.let_go()
    answers = [answer for each in maps for answer in each.get(timeout=WITHIN)]
    assert [answer["shots"] for answer in answers] == [shots for _, shots in calls]


def test_items_that_wait_are_shown_to_wait(hold: Hold, ears: Ears) -> None:
    calls = [hold.call() for _ in range(2)]
    both = submit_circuit.starmap(calls).delay()
    for call in calls:
        hold.wait_for(call, 1)
        (job,) = hold.jobs(call)
        told = ears.hear("task-received", job["job_id"])
        assert (told["name"], told["args"]) == ("qstore.submit_circuit", job["summary"])
    hold.let_go()
    assert len(both.get(timeout=WITHIN)) == 2


@pytest.mark.parametrize("mapped", [submit_circuit.map([]), submit_circuit.starmap([]), plain.give.map([])])
def test_nothing_gives_nothing(mapped: Any) -> None:
    assert mapped.delay().get(timeout=WITHIN) == []


def test_an_item_that_cannot_run_fails_the_whole() -> None:
    result = submit_circuit.starmap([fresh(), ("garbage", 10)]).delay()
    with pytest.raises(ChordError, match="InvalidOpenQASMError"):
        result.get(timeout=WITHIN)


def test_other_tasks_are_mapped_as_celery_does() -> None:
    assert plain.give.map([1, 2]).delay().get(timeout=WITHIN) == [1, 2]
    assert plain.add.starmap([(1, 2), (3, 4)]).delay().get(timeout=WITHIN) == [3, 7]
    assert plain.add.chunks([(1, 2), (3, 4), (5, 6)], 2)().get(timeout=WITHIN) == [[3, 7], [11]]
    assert plain.is_called.map([1, 2]).delay().get(timeout=WITHIN) == [True, True]
    assert plain.give.map([1, 2])() == [1, 2]
    assert plain.add.starmap([(1, 2)]).apply().get() == [3]


def test_a_map_in_this_process_waits_for_all_at_once(source: Source) -> None:
    calls = source.calls(3)
    assert [answer["shots"] for answer in submit_circuit.starmap(calls)()] == [shots for _, shots in calls]
    calls = source.calls(3)
    applied = xstarmap(submit_circuit.s(), calls, app=app).apply()
    assert [answer["shots"] for answer in applied.get()] == [shots for _, shots in calls]
