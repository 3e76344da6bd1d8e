"""What is simplified does the same, and is no longer than Qiskit's level 1 makes it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator
from qiskit.transpiler import generate_preset_pass_manager

from qstore.circuits.flat import Step, build
from qstore.circuits.peephole import simplify
from qstore.circuits.targets import BACKENDS, target

WIDTH = 3
LEVEL_1 = generate_preset_pass_manager(optimization_level=1, target=target(BACKENDS["simulator"]))


def step(text: str) -> Step:
    """A step written as `cx 0 1` or `rz 2 (0.5)`."""
    name, *places = text.split()
    angles = tuple(float(place.strip("()")) for place in places if "(" in place)
    return Step(name, tuple(int(place) for place in places if "(" not in place), (), angles)


def steps(text: str) -> list[Step]:
    return [step(part) for part in text.split(", ")] if text else []


def count(of: Sequence[Step]) -> int:
    return sum(each.name != "barrier" for each in of)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("h 0, cx 0 1", "h 0, cx 0 1"),
        ("h 0, h 0", ""),
        ("h 0, barrier 0 1, h 0", "h 0, barrier 0 1, h 0"),
        ("h 0, h 1, barrier 0, h 1", "h 0, barrier 0"),
        ("cx 0 1, cx 0 1", ""),
        ("cx 0 1, cx 1 0", "cx 0 1, cx 1 0"),
        ("cx 0 1, h 0, cx 0 1", "cx 0 1, h 0, cx 0 1"),
        ("cx 0 1, cx 1 2, cx 0 1", "cx 0 1, cx 1 2, cx 0 1"),
        ("cx 0 1, barrier 0 1, cx 0 1", "cx 0 1, barrier 0 1, cx 0 1"),
        ("cz 0 1, cz 1 0", ""),
        ("swap 0 1, cx 1 2, cx 1 2, swap 1 0", ""),
        ("ccx 0 1 2, ccx 1 0 2", ""),
        ("ccx 0 1 2, ccx 0 2 1", "ccx 0 1 2, ccx 0 2 1"),
        ("mcx 2 0 1, mcx 0 2 1", ""),
        ("cs 0 1, csdg 1 0", ""),
        ("cs 0 1, cs 0 1", "cs 0 1, cs 0 1"),
        ("h 0, x 1, cx 0 1, cx 0 1, x 1, h 0", ""),
        ("s 0, cx 0 1, cz 1 2, cz 1 2, cx 0 1, sdg 0", ""),
        ("id 0", ""),
        ("ry 0 (0)", ""),
        ("rzz 0 1 (0)", "rzz 0 1 (0)"),  # level 1 looks at single qubits only
        ("h 0, x 0, h 0, z 0", ""),
        ("unitary 0, h 0, h 0, unitary 0", "unitary 0, unitary 0"),
    ],
)
def test_what_undoes_itself_is_gone_and_no_more(before: str, after: str) -> None:
    assert sorted(simplify(steps(before))) == sorted(steps(after))


@pytest.mark.parametrize(
    ("row", "name", "angle"),
    [
        ("t 0, t 0", "rz", math.pi / 2),
        ("rz 0 (0.3), p 0 (0.4)", "rz", 0.7),
        ("rx 0 (0.3), sx 0", "rx", 0.3 + math.pi / 2),
        ("h 0, rz 0 (0.3), h 0", "rx", 0.3),
        ("h 0, ry 0 (0.3), h 0", "ry", -0.3),
        ("rz 0 (2), rz 0 (2)", "rz", 4 - math.tau),
    ],
)
def test_gates_in_a_row_become_one_where_they_can(row: str, name: str, angle: float) -> None:
    (merged,) = simplify(steps(row))
    assert merged.name == name
    assert merged.angles == pytest.approx((angle,))


@pytest.mark.parametrize(("first", "last"), list(itertools.permutations(("rx", "ry", "rz"), 2)))
@pytest.mark.parametrize(("one", "other"), [(0.3, 0.9), (2.9, -3.0), (-1.6, 0.1)])
def test_gates_in_a_row_become_two_where_they_can(first: str, last: str, one: float, other: float) -> None:
    parts = [Step(first, (0,), (), (one,)), Step(last, (0,), (), (other - 2,)), Step(last, (0,), (), (2.0,))]
    merged = simplify(parts)
    assert [each.name for each in merged] == [first, last]
    turned = [each.angles[0] - angle for each, angle in zip(merged, (one, other), strict=True)]
    assert [math.remainder(turn, math.tau) for turn in turned] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("row", "gates"),
    [("s 0, sx 0, s 0", 1), ("z 0, h 0, z 0", 2), ("h 0, z 0, h 0, z 0", 1), ("t 0, h 0, t 0, h 0, t 0", 3)],
)
def test_a_hadamard_gate_is_told_from_what_is_like_it(row: str, gates: int) -> None:
    merged = simplify(steps(row))
    assert len(merged) == gates
    assert Operator(build(merged, 1, 0)).equiv(Operator(build(steps(row), 1, 0)), atol=1e-9)


def test_gates_in_a_row_stay_as_they_are_where_nothing_is_saved() -> None:
    row = steps("ry 0 (0.3), rz 0 (0.4), cx 0 1, h 0, t 0, s 1, sx 1")
    assert sorted(simplify(row)) == sorted(row)


def test_a_gate_with_a_symbolic_angle_stays_and_what_is_around_it_is_merged() -> None:
    angle = Parameter("angle")
    symbolic = Step("rz", (0,), (), (angle,))
    row = [*steps("h 0, h 0, t 0, tdg 0"), symbolic, *steps("x 0, x 0")]
    assert simplify(row) == [symbolic]


FIXED = ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "id"]
PAIRS = ["cx", "cy", "cz", "ch", "swap", "csx"]
ANGLES = st.integers(-16, 16).map(lambda eighths: eighths * math.pi / 8) | st.floats(-7, 7)


@st.composite
def any_step(draw: st.DrawFn) -> Step:
    """Mostly gates that have to do with their neighbors."""
    one, other, third = draw(st.permutations(range(WIDTH)))
    kind = draw(st.integers(0, 9))
    if kind < 4:
        return Step(draw(st.sampled_from(FIXED)), (one,), (), ())
    if kind < 6:
        return Step(draw(st.sampled_from(["rx", "ry", "rz", "p"])), (one,), (), (draw(ANGLES),))
    if kind < 8:
        return Step(draw(st.sampled_from(PAIRS)), (one, other), (), ())
    return draw(
        st.sampled_from(
            [
                Step("barrier", tuple(sorted((one, other))), (), ()),
                Step("rzz", (one, other), (), (draw(ANGLES),)),
                Step("mcx", (one, other, third), (), ()),
            ]
        )
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(any_step(), max_size=12))
def test_whatever_is_simplified_does_the_same_with_no_more_gates_than_qiskit_leaves(before: list[Step]) -> None:
    after = simplify(before)
    circuit = build(before, WIDTH, 0)
    assert Operator(build(after, WIDTH, 0)).equiv(Operator(circuit), atol=1e-9)
    assert count(after) <= min(count(before), LEVEL_1.run(circuit).size())
