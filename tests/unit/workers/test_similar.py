"""What is near in an archive: found by a store that is exact, as the archive writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
from celery import Celery, states
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit

from exact_store import ExactStore
from qstore.circuits.codec import encode
from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.errors import (
    BreakerOpen,
    InvalidCircuitError,
    InvalidJobError,
    InvalidOptionError,
    NoMeasurementError,
    NotArchivedError,
)
from qstore.job import Group, Run
from qstore.outcome import Outcome
from qstore.result import Result
from qstore.similarity import Neighbors
from workers.archive import CIRCUITS, OUTCOMES, Archive
from workers.execution import Execution
from workers.similar import Reader, Similar, result_of
from workers.vectors.sketch import DIMENSION, affinity
from workers.vectors.store import Collection, Filter, Match, Record

JOB_ID = "7d2c3d0e-7b0c-4c3c-a4f1-9f2a1f6e2b11"
READ = Reader(Recognition(), Compiler(), "commuting")


class Watch:
    """A guard that knows whether somebody is inside, and lets nobody in where the breaker is open."""

    inside = False
    is_open = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self.is_open:
            raise BreakerOpen("The breaker is open", 1.0)
        self.inside = True
        try:
            yield
        finally:
            self.inside = False


@dataclass
class Watched:
    """A collection that answers only who has leave, with scores that are as wrong as it is told."""

    watch: Watch
    collection: Collection
    error: float = 0.0
    asked: list[int] = field(default_factory=list)

    def query(self, vector: ArrayLike, top_k: int = 10, filter: Filter | None = None) -> list[Match]:  # noqa: A002 - the protocol's word
        assert self.watch.inside
        self.asked.append(top_k)
        matches = self.collection.query(vector, top_k, filter)
        return [replace(match, score=match.score + self.error) for match in matches]

    def fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        assert self.watch.inside
        return self.collection.fetch(ids)


class Library:
    """An archive, and who finds things in it.

    Attributes:
        results: What jobs gave, by their ids.
        watch: Who is let in.
    """

    def __init__(self) -> None:
        store = ExactStore()
        outcomes, circuits = store.collection(OUTCOMES, DIMENSION), store.collection(CIRCUITS, DIMENSION)
        self.watch = Watch()
        self.results: dict[str, Result] = {}
        self.circuits = Watched(self.watch, circuits)
        self._archive = Archive(outcomes, circuits, self.watch)
        self._written = 0
        self._similar = Similar(
            cast("Collection", Watched(self.watch, outcomes)),
            cast("Collection", self.circuits),
            self.watch,
            READ,
            self._result_of,
        )

    def add(self, circuit: QuantumCircuit, given: Mapping[int, float], **about: Any) -> Execution:
        """Archive an execution; shots where they are whole numbers, else probabilities."""
        self._written += 1
        compiled = READ(circuit)
        run = Run(
            run_id=about.get("run_id", f"run {self._written}"),
            fingerprint=compiled.fingerprint,
            group=Group("simulator", 100),
            format=compiled.format,
            wire=compiled.wire,
            width=circuit.num_qubits,
            qubits=circuit.num_qubits,
            name=about.get("name", str(circuit.name)),
            seed=None,
        )
        exact = any(isinstance(value, float) for value in given.values())
        outcome = Outcome(
            states={state: math.ceil(value) for state, value in given.items()},
            probabilities=given if exact else None,
            shots=math.ceil(sum(given.values())),
            backend="simulator",
            fingerprint=run.fingerprint,
            remote_id=about.get("remote_id", f"remote {self._written}"),
            seed=about.get("seed", self._written),
            sent=0.0,
            done=about.get("done", float(self._written)),
            quantum_seconds=None,
        )
        execution = Execution(f"execution {self._written}", run, outcome)
        self._archive.write([execution])
        return execution

    def answer(self, *args: Any, **kwargs: Any) -> Neighbors:
        answer = self._similar.answer(*args, **kwargs)
        assert json.loads(json.dumps(answer)) == answer
        return answer

    def _result_of(self, job_id: str) -> Result:
        if job_id not in self.results:
            raise NotArchivedError(job_id)
        return self.results[job_id]


@pytest.fixture
def library() -> Library:
    return Library()


def circuit(width: int, *build: Callable[[QuantumCircuit], object], name: str = "asked") -> QuantumCircuit:
    made = QuantumCircuit(width, name=name)
    for each in build:
        each(made)
    made.measure_all()
    return made


def ghz(width: int, name: str = "ghz") -> QuantumCircuit:
    return circuit(
        width,
        lambda made: made.h(0),
        *[lambda made, qubit=qubit: made.cx(qubit, qubit + 1) for qubit in range(width - 1)],
        name=name,
    )


def turned(width: int, angle: float, name: str = "turned") -> QuantumCircuit:
    return circuit(width, *[lambda made, qubit=qubit: made.rx(angle, qubit) for qubit in range(width)], name=name)


def given_by(execution: Execution, source: str = "executed") -> Result:
    """A job's result, as far as anybody here asks."""
    outcome, width = execution.outcome, execution.run.width
    return cast(
        "Result",
        {
            "fingerprint": outcome.fingerprint,
            "remote_id": outcome.remote_id,
            "seed": outcome.seed,
            "counts": {f"{state:0{width}b}": count for state, count in outcome.states.items()},
            "probabilities": None,
            "source": source,
        },
    )


def names(neighbors: Sequence[Mapping[str, Any]]) -> list[str]:
    return [each["name"] for each in neighbors]


def test_outcomes_come_by_their_exact_affinity_though_sketches_err(library: Library) -> None:
    random = np.random.default_rng(3)
    width, base = 12, random.dirichlet(np.full(2**12, 0.02))
    executions = []
    for number in range(60):
        noise = random.uniform(0, 1)
        counts = random.multinomial(500, (1 - noise) * base + noise / 2**width)
        shots = {state: int(counts[state]) for state in np.flatnonzero(counts).tolist()}
        executions.append(library.add(turned(width, 0.01 * (number + 1)), shots, name=str(number)))
    asked = executions[0]
    exact = {each.run.name: affinity(asked.outcome.states, each.outcome.states) for each in executions[1:]}
    nearest = sorted(exact, key=lambda name: -exact[name])[:4]
    answer = library.answer(turned(width, 0.01), 4)["outcomes"]
    assert names(answer) == nearest
    assert [each["affinity"] for each in answer] == pytest.approx([exact[name] for name in nearest])


def test_an_outcome_tells_where_it_is_from(library: Library) -> None:
    library.add(ghz(2), {0: 0.5, 3: 0.5})
    near = library.add(turned(2, 1.5), {0: 30, 3: 70}, name="near", remote_id="far away", done=12.5)
    (outcome,) = library.answer(ghz(2))["outcomes"]
    assert outcome == {
        "fingerprint": near.run.fingerprint,
        "name": "near",
        "backend": "simulator",
        "shots": 100,
        "executed_at": 12.5,
        "remote_id": "far away",
        "affinity": pytest.approx(math.sqrt(0.15) + math.sqrt(0.35)),
    }


def test_an_outcome_of_another_width_is_no_neighbor(library: Library) -> None:
    library.add(ghz(2), {0: 0.5, 3: 0.5})
    library.add(turned(3, 1.5, "wider"), {0: 0.5, 3: 0.5})
    assert library.answer(ghz(2))["outcomes"] == []


def test_a_circuit_s_newest_execution_is_compared_and_the_others_are_neighbors(library: Library) -> None:
    library.add(ghz(2), {0: 50, 3: 50}, done=30.0, name="newest")
    library.add(ghz(2), {1: 100}, done=20.0, name="older")
    library.add(turned(2, 1.5), {0: 50, 3: 50}, name="other")
    answer = library.answer(ghz(2))["outcomes"]
    assert [(each["name"], each["affinity"]) for each in answer] == [("other", 1.0), ("older", 0.0)]


def test_a_circuit_that_was_never_executed_has_neighbors_by_structure_alone(library: Library) -> None:
    library.add(ghz(3, "chain"), {0: 50, 7: 50})
    library.add(turned(3, 0.3, "turned"), {0: 100})
    answer = library.answer(ghz(4))
    assert answer["outcomes"] == []
    assert names(answer["circuits"]) == ["chain", "turned"]


def test_an_empty_archive_knows_nothing(library: Library) -> None:
    assert library.answer(ghz(3)) == {"outcomes": [], "circuits": []}


def test_circuits_come_by_their_structure_without_the_one_asked_for(library: Library) -> None:
    for width in (2, 4, 5):
        library.add(ghz(width, f"chain {width}"), {0: 100})
    library.add(turned(4, 0.3, "turned"), {0: 100}, remote_id="remote", done=7.0)
    answer = library.answer(ghz(4))["circuits"]
    assert names(answer) == ["chain 5", "chain 2", "turned"]
    similarities = [each["similarity"] for each in answer]
    assert similarities == sorted(similarities, reverse=True)
    assert 0 <= similarities[-1] < 0.5 < similarities[0] < 1
    assert answer[-1] == {
        "fingerprint": READ(turned(4, 0.3)).fingerprint,
        "name": "turned",
        "backend": "simulator",
        "shots": 100,
        "executed_at": 7.0,
        "remote_id": "remote",
        "similarity": similarities[-1],
    }


def test_circuits_that_are_built_alike_are_as_near_as_can_be_and_the_newest_comes_first(library: Library) -> None:
    library.add(turned(2, 0.3, "older"), {0: 100}, done=10.0)
    library.add(turned(2, 0.4, "newer"), {0: 100}, done=20.0)
    answer = library.answer(turned(2, 0.5))["circuits"]
    assert names(answer) == ["newer", "older"]
    assert all(1 - 1e-6 < each["similarity"] <= 1 for each in answer)


@pytest.mark.parametrize(("error", "similarity"), [(0.5, 1.0), (-1.5, 0.0)])
def test_a_similarity_is_from_0_to_1_however_a_store_rounds(library: Library, error: float, similarity: float) -> None:
    library.add(turned(2, 0.3), {0: 100})
    library.circuits.error = error
    assert [each["similarity"] for each in library.answer(turned(2, 0.5))["circuits"]] == [similarity]


def test_many_runs_of_one_circuit_are_one_neighbor_and_do_not_hide_others(library: Library) -> None:
    for number in range(40):
        library.add(ghz(4, f"run {number}"), {0: 100}, done=float(number % 7))
        library.add(ghz(3, "asked"), {0: 100})
    library.add(ghz(6, "chain 6"), {0: 100})
    library.add(turned(3, 0.3, "turned"), {0: 100})
    answer = library.answer(ghz(3), 3)["circuits"]
    assert len(answer) == 3
    assert {each["name"] for each in answer[1:]} == {"chain 6", "turned"}
    assert answer[0]["executed_at"] == 6.0
    assert library.circuits.asked[-1] <= 1000


def test_no_more_than_asked_for_come_back(library: Library) -> None:
    for number in range(6):
        library.add(turned(2, 0.1 + number), {number % 4: 100})
    answer = library.answer(turned(2, 0.1), top_k=2)
    assert (len(answer["outcomes"]), len(answer["circuits"])) == (2, 2)


def test_as_many_as_can_be_asked_for_are_asked_for(library: Library) -> None:
    library.add(ghz(2), {0: 100})
    library.add(ghz(3, "chain"), {0: 100})
    assert names(library.answer(ghz(2), 1000)["circuits"]) == ["chain"]


@pytest.mark.parametrize("by_name", [False, True])
def test_a_job_s_own_execution_is_compared(library: Library, *, by_name: bool) -> None:
    mine = library.add(ghz(3, "mine"), {0: 50, 7: 50}, done=1.0)
    library.add(ghz(3, "another's, and newer"), {1: 100}, done=2.0)
    library.add(turned(3, 1.5, "alike"), {0: 60, 7: 40})
    job_id = "any text" if by_name else JOB_ID
    library.results[job_id] = given_by(mine)
    answer = library.answer(job_id=job_id) if by_name else library.answer(job_id)
    assert names(answer["outcomes"]) == ["alike", "another's, and newer"]
    assert names(answer["circuits"]) == ["alike"]


def test_of_several_executions_in_one_ionq_job_the_job_s_own_is_compared(library: Library) -> None:
    for number, state in enumerate((1, 2, 4)):
        execution = library.add(ghz(3), {state: 100}, remote_id="shared", seed=number)
        library.results[f"job {number}"] = cast("Result", {**given_by(execution), "counts": {"0 0": 100}})
        library.add(turned(3, 1.5, f"like {number}"), {state: 100})
    nearest = [library.answer(job_id=f"job {number}", top_k=1)["outcomes"] for number in range(3)]
    assert [names(each) for each in nearest] == [["like 0"], ["like 1"], ["like 2"]]


def test_a_job_whose_counts_are_in_registers_is_found(library: Library) -> None:
    mine = library.add(ghz(3, "mine"), {0: 50, 7: 50})
    library.results["job"] = cast("Result", {**given_by(mine), "counts": {"0 0": 50, "1 1": 50}})
    library.add(turned(3, 1.5, "alike"), {0: 60, 7: 40})
    assert names(library.answer(job_id="job")["outcomes"]) == ["alike"]


def test_a_job_that_is_not_archived_yet_is_an_error(library: Library) -> None:
    library.results["job"] = given_by(Library().add(ghz(3), {0: 100}))
    library.add(ghz(3), {0: 100}, remote_id="another")
    library.add(turned(3, 0.3), {0: 100})
    with pytest.raises(NotArchivedError, match="not in the archive"):
        library.answer(job_id="job")


def test_an_unknown_job_is_an_error(library: Library) -> None:
    with pytest.raises(NotArchivedError):
        library.answer(JOB_ID)


def test_an_open_breaker_lets_nothing_out(library: Library) -> None:
    library.add(ghz(2), {0: 100})
    library.watch.is_open = True
    with pytest.raises(BreakerOpen):
        library.answer(ghz(2))


OPENQASM = "OPENQASM 3.0; include 'stdgates.inc'; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"


@pytest.mark.parametrize("written", [ghz(2), encode(ghz(2)), OPENQASM.replace("'", '"')])
def test_a_circuit_may_be_handed_in_as_to_the_door(library: Library, written: object) -> None:
    library.add(ghz(2, "the same"), {0: 50, 3: 50})
    library.add(ghz(3, "chain"), {0: 100})
    assert names(library.answer(written)["circuits"]) == ["chain"]


def test_a_circuit_that_measures_in_the_middle_has_neighbors(library: Library) -> None:
    def reset(made: QuantumCircuit) -> None:
        made.h(0)
        made.measure_all()
        made.reset(0)
        made.cx(0, 1)

    library.add(circuit(2, reset, reset, name="twice"), {0: 100})
    library.add(turned(2, 0.3, "turned"), {0: 100})
    assert names(library.answer(circuit(2, reset))["circuits"]) == ["twice", "turned"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), InvalidJobError),
        (("no circuit",), InvalidCircuitError),
        ((QuantumCircuit(1),), NoMeasurementError),
        ((JOB_ID, 0), InvalidOptionError),
    ],
)
def test_a_message_that_makes_no_sense_is_refused_by_the_worker_as_well(
    library: Library, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    library.watch.is_open = True  # nothing is asked
    with pytest.raises(error):
        library.answer(*arguments)


@pytest.fixture
def app() -> Celery:
    return Celery(backend="cache+memory://", set_as_current=False)


def test_a_job_s_result_is_read_where_celery_keeps_it(app: Celery) -> None:
    app.backend.store_result(JOB_ID, {"fingerprint": "f", "remote_id": "r", "counts": {}}, states.SUCCESS)
    assert result_of(app, JOB_ID)["remote_id"] == "r"


@pytest.mark.parametrize(
    ("state", "result", "says"),
    [
        (None, None, "not known"),
        (states.SUCCESS, 4, "SUCCESS"),
        (states.SUCCESS, {"some": "task's"}, "SUCCESS"),
        (states.FAILURE, ValueError("no"), "FAILURE"),
        ("QUEUED", {"position": 3}, "QUEUED"),
        ("SUBMITTED", {"fingerprint": "f", "remote_id": "r"}, "SUBMITTED"),
    ],
)
def test_a_job_without_counts_has_none_to_compare(app: Celery, state: str | None, result: Any, says: str) -> None:
    job_id = f"{state} {type(result).__name__}"
    if state is not None:
        app.backend.store_result(job_id, result, state)
    with pytest.raises(NotArchivedError, match=says):
        result_of(app, job_id)
