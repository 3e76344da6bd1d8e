"""Every shape of canvas, with circuits in every place of it: it gives what Celery says it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from celery import Signature, chain, chord, group
from celery.result import AsyncResult

from integration.canvas import plain
from integration.canvas.books import Bought, counted
from integration.canvas.sources import WITHIN, Source
from qstore import submit_circuit
from qstore.circuits.codec import decode
from qstore.sandbox.sandbox import Sandbox


class Shape:
    """A canvas, and what it has to give: of a circuit its shots, which no other has."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.asked: list[int] = []

    def jobs(self, count: int) -> list[Signature]:
        """Immutable signatures of so many circuits."""
        calls = self._source.calls(count)
        self.asked += [shots for _, shots in calls]
        return [submit_circuit.si(*call) for call in calls]

    def job(self) -> Signature:
        """One, of a circuit of Qiskit's."""
        ((text, shots),) = self._source.calls(1)
        self.asked.append(shots)
        return submit_circuit.si(decode(text), shots)


def a_group(shape: Shape) -> tuple[Signature, Any]:
    return group(shape.jobs(3)), shape.asked


def a_group_of_one(shape: Shape) -> tuple[Signature, Any]:
    return group(shape.jobs(1)), shape.asked


def a_group_from_a_generator(shape: Shape) -> tuple[Signature, Any]:
    return group(job for job in shape.jobs(2)), shape.asked


def a_group_of_groups(shape: Shape) -> tuple[Signature, Any]:
    return group(group(shape.jobs(2)), shape.job()), shape.asked


def a_chain(shape: Shape) -> tuple[Signature, Any]:
    return chain(shape.jobs(3)), shape.asked[-1]


def a_chain_that_begins_with_a_circuit(shape: Shape) -> tuple[Signature, Any]:
    return shape.job() | plain.shots.s() | plain.give.s(), shape.asked[0]


def a_chain_that_hands_the_circuit_on(shape: Shape) -> tuple[Signature, Any]:
    text, shots = shape.job().args
    return plain.give.s(text) | submit_circuit.s(shots=shots), shots


def a_chain_with_a_circuit_in_the_middle(shape: Shape) -> tuple[Signature, Any]:
    text, shots = shape.job().args
    return plain.give.s(text) | submit_circuit.s(shots) | plain.shots.s(), shots


def a_chord(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(3), plain.give.s()), shape.asked


def a_chord_over_one(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(1), plain.shots.s()), shape.asked[0]


def a_chord_whose_body_is_a_circuit(shape: Shape) -> tuple[Signature, Any]:
    return chord([plain.give.si(1), plain.give.si(2)], shape.job()), shape.asked[0]


def a_chord_of_circuits_alone(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(2), shape.job()), shape.asked[2]


def a_group_in_the_middle_of_a_chain(shape: Shape) -> tuple[Signature, Any]:
    return shape.job() | group(shape.jobs(2)) | plain.give.s(), shape.asked[1:]


def a_group_at_the_end_of_a_chain(shape: Shape) -> tuple[Signature, Any]:
    return shape.job() | group(shape.jobs(2)), shape.asked[1:]


def two_groups_in_a_chain(shape: Shape) -> tuple[Signature, Any]:
    return chain(group(shape.jobs(2)), group(shape.jobs(2)), plain.give.s()), shape.asked[2:]


def a_group_of_chains(shape: Shape) -> tuple[Signature, Any]:
    return group(chain(shape.jobs(2)), chain(shape.jobs(2))), shape.asked[1::2]


def a_chord_of_chains(shape: Shape) -> tuple[Signature, Any]:
    return chord([chain(shape.jobs(2)), chain(shape.jobs(2))], plain.give.s()), shape.asked[1::2]


def a_chord_of_chords(shape: Shape) -> tuple[Signature, Any]:
    inner = [chord(shape.jobs(2), plain.shots.s()) for _ in range(2)]
    return chord(inner, plain.give.s()), [sum(shape.asked[:2]), sum(shape.asked[2:])]


def a_chain_of_chords(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(2), shape.job()) | chord(shape.jobs(2), plain.give.s()), shape.asked[3:]


def a_chord_whose_body_is_a_chain(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(2), chain(shape.job(), plain.shots.s())), shape.asked[2]


def a_chord_whose_body_is_a_group(shape: Shape) -> tuple[Signature, Any]:
    return chord(shape.jobs(2), group(shape.jobs(2))), shape.asked[2:]


def a_task_that_a_circuit_replaces(shape: Shape) -> tuple[Signature, Any]:
    return chord([plain.become.si(*shape.job().args), shape.job()], plain.give.s()), shape.asked


def a_map_in_a_chord(shape: Shape) -> tuple[Signature, Any]:
    maps = [submit_circuit.starmap(job.args for job in shape.jobs(2)) for _ in range(2)]
    return chord(maps, plain.give.s()), [shape.asked[:2], shape.asked[2:]]


SHAPES = [
    a_group,
    a_group_of_one,
    a_group_from_a_generator,
    a_group_of_groups,
    a_chain,
    a_chain_that_begins_with_a_circuit,
    a_chain_that_hands_the_circuit_on,
    a_chain_with_a_circuit_in_the_middle,
    a_chord,
    a_chord_over_one,
    a_chord_whose_body_is_a_circuit,
    a_chord_of_circuits_alone,
    a_group_in_the_middle_of_a_chain,
    a_group_at_the_end_of_a_chain,
    two_groups_in_a_chain,
    a_group_of_chains,
    a_chord_of_chains,
    a_chord_of_chords,
    a_chain_of_chords,
    a_chord_whose_body_is_a_chain,
    a_chord_whose_body_is_a_group,
    a_task_that_a_circuit_replaces,
    a_map_in_a_chord,
]


@dataclass(frozen=True)
class Launched:
    """Canvases under way."""

    results: dict[str, tuple[AsyncResult, Any]]
    circuits: int
    bought: Bought


@pytest.fixture(scope="module")
def launched(source: Source, sandbox: Sandbox) -> Launched:
    """All of them at once, so that none waits for another."""
    built = {}
    for build in SHAPES:
        shape = Shape(source)
        built[build.__name__] = (*build(shape), shape)
    bought = counted(sandbox)
    results = {name: (canvas.apply_async(), expected) for name, (canvas, expected, _) in built.items()}
    return Launched(results, sum(len(shape.asked) for *_, shape in built.values()), bought)


def shots_of(value: Any) -> Any:
    """What came back, each circuit's result as its shots."""
    if isinstance(value, list | tuple):
        return [shots_of(each) for each in value]
    return value["shots"] if isinstance(value, dict) else value


def sources_of(value: Any) -> set[str]:
    """Where the results in it came from."""
    if isinstance(value, list | tuple):
        return set().union(*map(sources_of, value))
    return {value["source"]} if isinstance(value, dict) else set()


@pytest.mark.parametrize("name", [build.__name__ for build in SHAPES])
def test_a_canvas_gives_what_celery_says(launched: Launched, source: Source, name: str) -> None:
    result, expected = launched.results[name]
    value = result.get(timeout=WITHIN)
    assert shots_of(value) == expected
    assert sources_of(value) <= {source.name}


def test_every_circuit_of_a_canvas_is_bought_once(launched: Launched, source: Source) -> None:
    for result, _ in launched.results.values():
        result.get(timeout=WITHIN)
    assert launched.bought()["circuits_accepted"] == (0 if source.name == "cached" else launched.circuits)
