from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from qiskit import QuantumCircuit

from qstore import bulk, errors, submit_circuits
from qstore.app import app
from qstore.circuits.compiler import Compiler
from qstore.door import Door
from qstore.entries import Entries, Finish
from qstore.job import Run
from qstore.state.cancellations import Cancellations, Reason
from qstore.state.claims import Answer, Ask, Claims
from qstore.submission import Submission


def circuits(count: int) -> Iterator[QuantumCircuit]:
    """Circuits that are all different."""
    for number in range(count):
        circuit = QuantumCircuit(1, 1)
        circuit.ry(0.001 + number / 1000, 0)
        circuit.measure(0, 0)
        yield circuit


class Shelf(Claims):
    """Queues whatever comes, in memory; nothing connects.

    Attributes:
        trips: How many jobs came in each.
        answers: Trips until nobody answers any more.
    """

    def __init__(self) -> None:
        self.trips: list[int] = []
        self.answers = math.inf

    def ask(self, asks: Sequence[tuple[Ask, Run | None]]) -> list[Answer]:
        if not asks:
            return []
        if len(self.trips) >= self.answers:
            raise errors.StoreUnavailableError("Redis is gone.")
        self.trips.append(len(asks))
        return [Answer("queued" if run else "miss") for _, run in asks]


class Ends(Entries):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__(app, cast("Any", None), cast("Any", None))
        self.told: list[Finish] = []

    def finish(self, ends: Sequence[Finish], hits: Sequence[str] = ()) -> list[bool]:
        assert not hits
        self.told += ends
        return [False] * len(ends)


class Canceled(Cancellations):
    """Remembers what is to be canceled; or cannot."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.answers = True

    def cancel(self, job_ids: Sequence[str], reason: Reason = "revoked") -> list[bool]:
        assert reason == "revoked"
        if not self.answers:
            raise errors.StoreUnavailableError("Redis is gone.")
        self.calls.append(len(job_ids))
        return [True] * len(job_ids)


class Producer:
    """What a producer works with, without Redis."""

    def __init__(self) -> None:
        self.shelf, self.ends, self.canceled = Shelf(), Ends(), Canceled()
        submission = Submission(self.shelf, Compiler(), self.ends, batch_size=10)
        self.opened = Door(submission, self.shelf, self.ends, self.canceled)


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Producer:
    made = Producer()
    monkeypatch.setattr(bulk, "door", lambda: made.opened)
    monkeypatch.setattr(bulk, "_MOST", 4)
    monkeypatch.setattr(bulk, "_AGE", math.inf)
    return made


def test_a_full_chunk_leaves_before_the_next_circuit_is_read(producer: Producer) -> None:
    seen = []

    def reading() -> Iterator[QuantumCircuit]:
        for circuit in circuits(10):
            seen.append(sum(producer.shelf.trips))
            yield circuit

    assert len(submit_circuits(reading())) == 10
    assert producer.shelf.trips == [4, 4, 2]
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_an_old_chunk_leaves_though_it_is_not_full(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_AGE", 0.0)
    submit_circuits(circuits(3))
    assert producer.shelf.trips == [1, 1, 1]


def test_no_more_circuits_are_held_than_one_chunk(producer: Producer) -> None:
    made: list[weakref.ref[QuantumCircuit]] = []
    held: list[int] = []

    def reading() -> Iterator[QuantumCircuit]:
        for circuit in circuits(20):
            made.append(weakref.ref(circuit))
            yield circuit
        gc.collect()
        held.extend(number for number, each in enumerate(made) if each() is not None)

    submit_circuits(reading())
    assert producer.shelf.trips == [4] * 5
    assert set(held) <= {19}  # the one that was read last


def test_a_wrong_option_is_refused_before_a_circuit_is_read(producer: Producer) -> None:
    source = circuits(3)
    with pytest.raises(errors.InvalidShotsError):
        submit_circuits(source, shots=0)
    assert len(list(source)) == 3
    assert producer.shelf.trips == []


@pytest.mark.parametrize("one", [next(circuits(1)), "OPENQASM 3.0;", b"OPENQASM 3.0;"])
def test_one_circuit_in_place_of_many_is_refused(producer: Producer, one: Any) -> None:
    with pytest.raises(errors.InvalidJobError, match=r"submit_circuit\.delay"):
        submit_circuits(one)
    assert producer.shelf.trips == []


def test_no_circuits_make_an_empty_set_without_a_trip(producer: Producer) -> None:
    assert submit_circuits([]).results == []
    assert producer.shelf.trips == []


def test_circuits_that_cannot_run_fail_alone_and_say_which_they_are(producer: Producer) -> None:
    source: list[Any] = list(circuits(7))
    source[1], source[5] = QuantumCircuit(1), "no circuit at all"
    results = submit_circuits(source)
    assert producer.shelf.trips == [3, 2]
    failed = {index for index, result in enumerate(results) if result._cache}
    assert failed == {1, 5}
    assert {results[index].state for index in failed} == {"FAILURE"}
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 1: "):
        results[1].get()
    with pytest.raises(errors.InvalidOpenQASMError, match=r"^Circuit 5: "):
        results[5].get()
    assert [(end.job_id, str(end.value)) for end in producer.ends.told] == [
        (results[index].id, str(results[index].result)) for index in (1, 5)
    ]


def test_where_redis_goes_away_each_later_circuit_says_what_is_known_of_it(producer: Producer) -> None:
    producer.shelf.answers = 1
    source: list[Any] = list(circuits(11))
    source[5] = QuantumCircuit(1)
    results = submit_circuits(source)
    assert [index for index, result in enumerate(results) if result._cache is None] == [0, 1, 2, 3]
    with pytest.raises(errors.StoreUnavailableError, match=r"^Circuit 4: whether it was queued is not known"):
        results[4].get()
    with pytest.raises(errors.NoMeasurementError, match=r"^Circuit 5: "):
        results[5].get()
    for number in range(8, 11):
        with pytest.raises(errors.StoreUnavailableError, match=rf"^Circuit {number}: it was not submitted.* is gone"):
            results[number].get()
    assert producer.ends.told == []


def test_where_redis_is_not_there_from_the_start_the_call_raises(producer: Producer) -> None:
    producer.shelf.answers = 0
    source = circuits(9)
    with pytest.raises(errors.StoreUnavailableError) as caught:
        submit_circuits(source)
    assert not hasattr(caught.value, "__notes__")
    assert producer.canceled.calls == []
    assert len(list(source)) == 5


def breaking(error: BaseException) -> Iterator[QuantumCircuit]:
    yield from circuits(6)
    raise error


@pytest.mark.parametrize("error", [OSError("the disk is gone"), KeyboardInterrupt()])
def test_whatever_ends_the_call_early_cancels_what_was_queued(producer: Producer, error: BaseException) -> None:
    with pytest.raises(type(error)):
        submit_circuits(breaking(error))
    assert producer.canceled.calls == [4]


def test_a_progress_callable_that_raises_ends_the_call_as_well(producer: Producer) -> None:
    def told(done: int, _total: int | None) -> None:
        if done > 4:
            raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        submit_circuits(circuits(20), progress=told)
    assert producer.shelf.trips == [4, 4]
    assert producer.canceled.calls == [4, 4]


def test_a_chunk_that_is_interrupted_on_its_way_is_canceled_too(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_submitted: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bulk, "ring_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        submit_circuits(circuits(20))
    assert producer.canceled.calls == [4]


def test_what_cannot_be_canceled_is_noted_in_the_error(producer: Producer) -> None:
    producer.canceled.answers = False
    with pytest.raises(OSError, match="the disk is gone") as caught:
        submit_circuits(breaking(OSError("the disk is gone")))
    assert caught.value.__notes__ == ["Up to 4 circuits were queued before, and could not be canceled. Redis is gone."]


def test_progress_is_told_after_each_chunk(producer: Producer) -> None:
    heard: list[tuple[int, int | None]] = []
    source = list(circuits(10))
    submit_circuits(source, progress=lambda done, total: heard.append((done, total)))
    submit_circuits(iter(source), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(4, 10), (8, 10), (10, 10), (4, None), (8, None), (10, None)]
    assert producer.shelf.trips == [4, 4, 2] * 2
