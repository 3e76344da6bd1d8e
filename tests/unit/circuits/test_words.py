from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore.circuits.angle import on_grid
from qstore.circuits.flat import Line
from qstore.circuits.words import words

QUBITS, CLBITS = 3, 1
ANGLES = {"rz": 1, "cp": 1, "u": 3}
FIXED = {"h": 1, "rz": 1, "u": 1, "cx": 2, "cp": 2, "ccx": 3}
GROWING = ("barrier", "mcx")


def drawn(rng: random.Random) -> Line:
    if rng.random() < 1 / 8:
        return "measure", (rng.randrange(QUBITS),), (0,), ()
    name = rng.choice([*FIXED, *GROWING])
    wires = rng.sample(range(QUBITS), FIXED.get(name) or rng.randint(1, QUBITS))
    return name, tuple(wires), (), tuple([rng.choice((0.5, 1.5)) for _ in range(ANGLES.get(name, 0))])


def wires_of(line: Line) -> set[int]:
    return {*line[1], *[QUBITS + clbit for clbit in line[2]]}


def first_of_all(lines: Sequence[Line]) -> list[Line]:
    """Of all orders that differ in gates that share no wire only, the first one in the order of the alphabet."""
    left, ordered = list(lines), []
    while left:
        free = [
            line
            for index, line in enumerate(left)
            if all(wires_of(line).isdisjoint(wires_of(earlier)) for earlier in left[:index])
        ]
        ordered.append(min(free))
        left.remove(min(free))
    return ordered


def told_by(names: Sequence[str], numbers: Sequence[int]) -> list[Line]:
    """The circuit, read from its words alone."""
    rest, left = iter(numbers[QUBITS + CLBITS :]), iter(names)
    told = [[_entry(wire, next(left), rest) for _ in range(count)] for wire, count in enumerate(numbers[:4])]
    assert not [*rest, *left]
    lines: list[Line] = []
    while any(told):
        for wire, word in enumerate(told):
            if word and isinstance(line := word[0], tuple):
                others = wires_of(line) - {wire}
                if all(told[other] and told[other][0] == wire for other in others):
                    lines.append(line)
                    for done in (wire, *others):
                        del told[done][0]
                    break
        else:
            pytest.fail("No gate can come next.")
    return lines


def _entry(wire: int, text: str, rest: Iterator[int]) -> Line | int:
    if not text:
        return next(rest)
    name, _, size = text.partition(" on ")
    on = (wire, *[next(rest) for _ in range((int(size) if size else FIXED[name]) - 1)])
    angles = tuple([next(rest) for _ in range(ANGLES.get(name, 0))])
    return name, tuple([q for q in on if q < QUBITS]), tuple([q - QUBITS for q in on if q >= QUBITS]), angles


def gridded(lines: Sequence[Line]) -> list[Line]:
    return [(name, on, into, tuple(map(on_grid, angles))) for name, on, into, angles in lines]


@given(seed=st.integers(0, 2**32))
def test_the_words_tell_the_circuit(seed: int) -> None:
    rng = random.Random(seed)
    lines = [drawn(rng) for _ in range(rng.randint(0, 12))]
    told = told_by(*words(lines, QUBITS, CLBITS))
    assert first_of_all(told) == first_of_all(gridded(lines))


@given(seed=st.integers(0, 2**32))
def test_gates_that_share_no_wire_may_change_places_and_others_may_not(seed: int) -> None:
    rng = random.Random(seed)
    lines = [drawn(rng) for _ in range(rng.randint(2, 5))]
    other = rng.sample(lines, len(lines))
    same = first_of_all(lines) == first_of_all(other)
    assert (words(lines, QUBITS, CLBITS) == words(other, QUBITS, CLBITS)) == same


def test_a_gate_before_the_target_of_another_is_not_one_behind_it() -> None:
    h, cx = ("h", (1,), (), ()), ("cx", (0, 1), (), ())
    assert words([h, cx], 2, 0) != words([cx, h], 2, 0)
    assert words([h], 2, 0) != words([("h", (0,), (), ())], 2, 0)
