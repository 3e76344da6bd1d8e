"""Sketches of distributions: inner products are affinities, exactly for few states, nearly for many."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.vectors.sketch import DIMENSION, affinity, count_sketch, hashed, mix, sketch

RANDOM = np.random.default_rng(20_261)


def distributions(width: int) -> st.SearchStrategy[dict[int, float]]:
    return st.dictionaries(
        st.integers(0, 2**width - 1), st.floats(1e-6, 1e6) | st.integers(1, 10**6), min_size=1, max_size=40
    )


def dense(states: Mapping[int, float], width: int) -> NDArray[np.float64]:
    whole = sum(states.values())
    return np.array([states.get(state, 0.0) / whole for state in range(2**width)])


@given(st.integers(1, 8).flatmap(lambda width: st.tuples(st.just(width), distributions(width), distributions(width))))
def test_few_states_are_compared_exactly(drawn: tuple[int, dict[int, float], dict[int, float]]) -> None:
    width, one, other = drawn
    by_hand = float(np.sqrt(dense(one, width) * dense(other, width)).sum())
    assert affinity(one, other) == pytest.approx(by_hand, abs=1e-9)
    assert float(sketch(one, width) @ sketch(other, width)) == pytest.approx(by_hand, abs=1e-5)


@given(distributions(70), distributions(70))
def test_affinity_is_one_for_the_same_and_nothing_for_strangers(one: dict[int, float], other: dict[int, float]) -> None:
    assert affinity(one, {state: 3 * value for state, value in one.items()}) == pytest.approx(1)
    assert affinity(one, other) == affinity(other, one)
    assert 0 <= affinity(one, other) <= 1
    assert affinity(one, {state + 2**70: value for state, value in one.items()}) == 0


def related(width: int) -> tuple[dict[int, float], dict[int, float]]:
    """Two distributions with some states in common, of few states and of many."""
    size = int(RANDOM.choice([2, 10, 300, 4096]))
    states = RANDOM.integers(2**width, size=3 * size)
    shift = int(RANDOM.integers(size + 1))
    one, other = states[:size], states[shift : shift + size]
    return (
        dict(zip(one.tolist(), RANDOM.exponential(size=size).tolist(), strict=True)),
        dict(zip(other.tolist(), RANDOM.exponential(size=size).tolist(), strict=True)),
    )


@pytest.mark.parametrize("width", [9, 20, 29])
def test_many_states_are_compared_within_the_error_that_is_promised(width: int) -> None:
    errors = []
    for _ in range(150):
        one, other = related(width)
        errors.append(float(sketch(one, width) @ sketch(other, width)) - affinity(one, other))
    assert math.sqrt(np.mean(np.square(errors))) < math.sqrt(2 / DIMENSION)
    assert abs(np.mean(errors)) < 3 * math.sqrt(2 / DIMENSION / len(errors))


def test_no_state_is_hidden_by_another_that_shares_a_component() -> None:
    pairs = RANDOM.integers(2**29, size=(4000, 2)).tolist()
    lengths = [np.linalg.norm(count_sketch(hashed(pair, 29), [math.sqrt(0.5)] * 2)) for pair in pairs]
    assert min(lengths) > 0.4  # in one row instead of four some pairs would be gone altogether


@pytest.mark.parametrize("width", [3, 12, 200])
def test_shots_and_shares_in_any_order_give_one_vector(width: int) -> None:
    counts = {0: 500, 5: 300, 2**width - 1: 200}
    shares = {state: counts[state] / 1000 for state in reversed(counts)}
    vector = sketch(counts, width)
    assert vector.shape == (DIMENSION,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector, sketch(shares, width), atol=1e-7)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_bit_of_a_wide_state_counts(high: int, low: int) -> None:
    other = {(high ^ 1) << 64 | low: 1.0}
    assert float(sketch({high << 64 | low: 1.0}, 128) @ sketch(other, 128)) < 1


@pytest.mark.parametrize("width", [4, 12])
def test_what_was_never_seen_changes_nothing(width: int) -> None:
    seen = {1: 0.25, 2: 0.75}
    with_more = {**seen, 3: 0.0, 4: -1e-17}
    np.testing.assert_array_equal(sketch(with_more, width), sketch(seen, width))
    assert affinity(with_more, {3: 1.0, 4: 1.0}) == 0


@pytest.mark.parametrize("nothing", [{}, {0: 0.0}])
def test_no_outcome_is_a_vector_too_and_near_to_none(nothing: dict[int, float]) -> None:
    vector = sketch(nothing, 5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(vector, sketch(nothing, 20))
    assert float(vector @ sketch({0: 1.0}, 5)) < 0
    assert affinity(nothing, {0: 1.0}) == affinity(nothing, nothing) == 0


def test_vectors_of_today_can_be_compared_with_those_of_yesterday() -> None:
    vector = sketch({2**70 + 5: 1.0}, 71)
    assert {place: float(vector[place]) for place in np.flatnonzero(vector).tolist()} == {
        22: -0.5,
        98: 0.5,
        140: 0.5,
        196: -0.5,
    }
    assert np.argmax(sketch({200: 1.0}, 8)) == 200


def test_the_hash_is_the_one_that_was_published() -> None:
    step = 0x9E3779B97F4A7C15
    assert mix(np.array([0, step], np.uint64)).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # seeded with 0
