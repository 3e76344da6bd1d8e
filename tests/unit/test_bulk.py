from __future__ import annotations

import gc
import json
import math
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qstore import bulk, errors, submit_circuits
from qstore.app import app
from qstore.circuits.canonical import canonicalize
from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.circuits.targets import find_backend
from qstore.door import Door
from qstore.entries import Entries, Finish
from qstore.job import Run
from qstore.preparation import Preparation
from qstore.runs import Runs
from qstore.state.cancellations import Cancellations, Reason
from qstore.state.claims import Answer, Ask, Claims
from qstore.state.tally import Tally
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
        asks: What came in, in all.
        answers: Trips until nobody answers any more.
    """

    def __init__(self) -> None:
        self.trips: list[int] = []
        self.asks: list[tuple[Ask, Run | None]] = []
        self.answers = math.inf

    def ask(self, asks: Sequence[tuple[Ask, Run | None]]) -> list[Answer]:
        if not asks:
            return []
        if len(self.trips) >= self.answers:
            raise errors.StoreUnavailableError("Redis is gone.")
        self.trips.append(len(asks))
        self.asks += asks
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
        self.compiler = Compiler(capacity=8)
        preparation = Preparation(Recognition(), self.compiler, self.ends)
        submission = Submission(self.shelf, Runs(self.compiler, batch_size=10), self.ends)
        self.opened = Door(
            preparation, submission, self.shelf, self.ends, self.canceled, Tally(cast("Any", None), cast("Any", None))
        )


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


# -- one circuit, many values ---------------------------------------------------------------------------------


def template() -> QuantumCircuit:
    """Two parameters, one of them used twice."""
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2, 2)
    circuit.ry(a, 0)
    circuit.cx(0, 1)
    circuit.rz(2 * b, 1)
    circuit.ry(a, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def rows(count: int) -> list[list[float]]:
    return [[0.1 + number / 1000, 0.2 - number / 1000] for number in range(count)]


@pytest.mark.parametrize(
    "given",
    [
        rows(6),
        np.array(rows(6)),
        (tuple(row) for row in rows(6)),
        [{"a": one, "b": other} for one, other in rows(6)],
        dict(enumerate(rows(6))).values(),
    ],
    ids=["lists", "an array", "a generator", "mappings", "a view"],
)
def test_one_circuit_is_run_with_many_values_as_if_each_were_bound_and_submitted(
    producer: Producer, given: Any
) -> None:
    results = submit_circuits(template(), parameter_values=given, shots=100)
    assert len(results) == 6
    assert producer.shelf.trips == [4, 2]
    family_asks = producer.shelf.asks.copy()
    submit_circuits([template().assign_parameters(row) for row in rows(6)], shots=100)
    bound_asks = producer.shelf.asks[6:]
    for (ask, run), (bound_ask, bound_run) in zip(family_asks, bound_asks, strict=True):
        assert run is not None
        assert bound_run is not None
        assert (ask.run_id, run.fingerprint, run.wire) == (bound_ask.run_id, bound_run.fingerprint, bound_run.wire)
        assert (ask.job.readout, run.group, run.width) == (bound_ask.job.readout, bound_run.group, bound_run.width)
    assert [ask.job.job_id for ask, _ in family_asks] == [result.id for result in results]


def test_values_are_read_a_chunk_at_a_time(producer: Producer) -> None:
    seen = []

    def reading() -> Iterator[list[float]]:
        for row in rows(10):
            seen.append(sum(producer.shelf.trips))
            yield row

    heard: list[tuple[int, int | None]] = []
    submit_circuits(template(), parameter_values=reading(), progress=lambda done, total: heard.append((done, total)))
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]
    assert heard == [(4, None), (8, None), (10, None)]


def test_openqasm_with_inputs_is_a_template_too(producer: Producer) -> None:
    text = 'OPENQASM 3.0; include "stdgates.inc"; input float[64] a; qubit[1] q; bit[1] c; ry(a) q[0]; c = measure q;'
    assert len(submit_circuits(text, parameter_values=[[0.1], {"a": 0.2}])) == 2
    runs = [run for _, run in producer.shelf.asks]
    assert [json.loads(run.wire)[0]["rotation"] for run in runs if run] == [0.1, 0.2]


def test_values_that_do_not_fit_fail_alone_and_say_which_they_are(producer: Producer) -> None:
    given: list[Any] = rows(6)
    given[1], given[3], given[4] = [0.1], [0.1, math.nan], ["x", 0.2]
    results = submit_circuits(template(), parameter_values=given)
    assert {index for index, result in enumerate(results) if result._cache} == {1, 3, 4}
    for index, message in ((1, "There are 1 parameter values"), (3, "'b' is not finite"), (4, "is no number: 'x'")):
        with pytest.raises(errors.InvalidParameterValuesError, match=rf"^Circuit {index}: .*{message}"):
            results[index].get()
    assert sum(producer.shelf.trips) == 3


@pytest.mark.parametrize(
    ("circuit", "given", "message"),
    [
        (next(circuits(1)), [[]], "no free parameters"),
        ([template(), template()], rows(2), "with one circuit, not with list"),
        (circuits(1), rows(2), "with one circuit, not with generator"),
        (template(), 0.5, "not float: put them in a list"),
        (template(), {"a": 1, "b": 2}, "not dict: put them in a list"),
        (template(), "0.1", "not str: put them in a list"),
        (template(), np.array([0.1, 0.2]), "2 dimensions, a row for each circuit, not 1"),
        (template(), np.zeros((2, 2, 2)), "2 dimensions, a row for each circuit, not 3"),
        (template(), np.array(0.5), "2 dimensions, a row for each circuit, not 0"),
        (template().remove_final_measurements(inplace=False), rows(2), "measures nothing"),
        ("OPENQASM 3.0; nonsense", rows(2), "OpenQASM 3 text is invalid"),
    ],
)
def test_what_no_values_could_mend_is_refused_at_once(
    producer: Producer, circuit: Any, given: Any, message: str
) -> None:
    with pytest.raises(errors.InvalidJobError, match=message):
        submit_circuits(circuit, parameter_values=given)
    assert producer.shelf.trips == []


def test_a_template_that_ionq_cannot_answer_for_is_refused_at_once(producer: Producer) -> None:
    circuit = template()
    circuit.x(0)
    circuit.measure(0, 1)
    with pytest.raises(errors.UnsupportedCircuitError, match="keeps no shots"):
        submit_circuits(circuit, parameter_values=rows(2))
    assert producer.shelf.trips == []
    assert len(submit_circuits(circuit, parameter_values=rows(2), noise_model="aria-1")) == 2


def test_members_of_a_family_leave_what_was_compiled_before_in_memory(producer: Producer) -> None:
    compiler, other = producer.compiler, canonicalize(next(circuits(1)))
    compiler.compile(other, find_backend("simulator"), 2)
    submit_circuits(template(), parameter_values=rows(12))
    assert compiler.ready(other, find_backend("simulator"), 2)


@pytest.mark.parametrize("level", [1, 2])
def test_members_too_long_to_send_along_are_looked_for_first(producer: Producer, level: int) -> None:
    circuit = template().remove_final_measurements(inplace=False)
    for _ in range(400):
        circuit.barrier()
        circuit.h([0, 1])
    circuit.measure_all()
    submit_circuits(circuit, parameter_values=rows(2), optimization_level=level)
    assert producer.shelf.trips == [2, 2]
    assert [run is not None for _, run in producer.shelf.asks] == [False, False, True, True]
    assert {bool(ask.circuit_key) for ask, _ in producer.shelf.asks} == {level > 1}  # quicker to make than to fetch
