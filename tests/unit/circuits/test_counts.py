from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore.circuits.counts import apportion, check_distribution, draw, memory, render
from qstore.errors import InvalidResultError
from qstore.job import Readout

weights = st.dictionaries(st.integers(0, 2**36 - 1), st.floats(0.01, 1), min_size=1, max_size=30)
counts = st.dictionaries(st.integers(0, 2**20), st.integers(1, 1000), min_size=1, max_size=30)


def normalized(weights: dict[int, float]) -> dict[int, float]:
    total = math.fsum(weights.values())
    return {state: weight / total for state, weight in weights.items()}


# -- draw ---------------------------------------------------------------------------------------------------


@given(weights=weights, shots=st.integers(1, 1_000_000), seed=st.integers(0, 2**32))
def test_a_draw_loses_no_shot_and_invents_no_state(weights: dict[int, float], shots: int, seed: int) -> None:
    drawn = draw(normalized(weights), shots, seed)
    assert sum(drawn.values()) == shots
    assert set(drawn) <= set(weights)
    assert all(drawn.values())
    assert list(drawn) == sorted(drawn)


@given(weights=weights, seed=st.integers(0, 2**32))
def test_a_seed_draws_the_same_whatever_the_order_of_the_states(weights: dict[int, float], seed: int) -> None:
    backwards = dict(reversed(weights.items()))
    assert draw(weights, 1000, seed) == draw(backwards, 1000, seed)


def test_seeds_differ_and_no_seed_draws_afresh() -> None:
    even = dict.fromkeys(range(64), 1 / 64)
    assert draw(even, 10_000, 1) != draw(even, 10_000, 2)
    assert draw(even, 10_000, None) != draw(even, 10_000, None)


@pytest.mark.parametrize("seed", range(20))
def test_an_impossible_state_is_never_drawn_not_even_for_what_rounding_leaves(seed: int) -> None:
    probabilities = {0: 0.1, 1: 0.2, 2: 0.7 - 1e-9, 3: 0.0}
    assert 3 not in draw(probabilities, 1_000_000, seed)


def test_a_draw_follows_the_distribution() -> None:
    drawn = draw({0: 0.25, 5: 0.75}, 1_000_000, 7)
    assert abs(drawn[5] - 750_000) < 5 * math.sqrt(1_000_000 * 0.25 * 0.75)


# -- apportion ----------------------------------------------------------------------------------------------


@given(counts=counts)
def test_frequencies_turn_back_into_the_very_counts(counts: dict[int, int]) -> None:
    shots = sum(counts.values())
    frequencies = {state: count / shots for state, count in counts.items()}
    assert apportion(frequencies, shots) == counts


@given(weights=weights, shots=st.integers(1, 1_000_000))
def test_apportioning_loses_no_shot_and_is_off_by_less_than_one(weights: dict[int, float], shots: int) -> None:
    probabilities = normalized(weights)
    shares = apportion(probabilities, shots)
    assert sum(shares.values()) == shots
    assert all(shares.values())
    assert all(abs(shares.get(state, 0) - p * shots) < 1 + 1e-6 for state, p in probabilities.items())


def test_the_lower_state_wins_a_tie() -> None:
    assert apportion({3: 0.25, 1: 0.25, 2: 0.25, 0: 0.25}, 2) == {0: 1, 1: 1}


def test_zeros_are_left_out() -> None:
    assert apportion({0: 1.0, 1: 0.0}, 10) == {0: 10}


# -- check_distribution -------------------------------------------------------------------------------------


def test_ionqs_answer_becomes_a_normalized_distribution() -> None:
    assert check_distribution({"0": 0.5, "3": 0.5, "1": 0}, 2) == {0: 0.5, 3: 0.5}
    nearly = check_distribution({"0": 0.3334, "1": 0.3333, "68719476735": 0.3333}, 36)
    assert math.fsum(nearly.values()) == pytest.approx(1, abs=1e-15)
    assert max(nearly) == 2**36 - 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        "0",
        [0.5, 0.5],
        {"0": 0.5},
        {"0": 0.5, "1": 0.502},
        {"0": 0.5, "4": 0.5},
        {"0": 0.5, "-1": 0.5},
        {"0": 0.5, "0x1": 0.5},
        {"0": 0.5, "": 0.5},
        {"0": 0.5, "²": 0.5},
        {"0": 0.5, "9" * 5000: 0.5},
        {"0": 0.5, 1.5: 0.5},
        {"0": 0.5, None: 0.5},
        {"0": 1.5, "1": -0.5},
        {"0": math.nan, "1": 1.0},
        {"0": math.inf},
        {"0": 10**400},
        {"0": "1"},
        {"0": None, "1": 1},
        {"0": True},
        {"0": {"0": 1.0}},
        {"0": 0},
    ],
)
def test_what_is_no_distribution_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidResultError):
        check_distribution(answer, 2)


def test_a_refusal_stays_short_however_long_the_answer() -> None:
    with pytest.raises(InvalidResultError) as refusal:
        check_distribution(["x" * 100_000], 2)
    assert len(str(refusal.value)) < 200


# -- render -------------------------------------------------------------------------------------------------


def plain(width: int) -> Readout:
    return Readout(tuple(range(width)), (tuple(range(width)),))


@pytest.mark.parametrize(
    ("states", "readout", "shown"),
    [
        ({0: 507, 3: 493}, plain(2), {"00": 507, "11": 493}),
        ({1: 0.25, 2: 0.75}, plain(2), {"01": 0.25, "10": 0.75}),
        ({0b011: 1}, Readout((0, 1, 2), ((0,), (1, 2))), {"01 1": 1}),  # the last register leftmost
        ({0b011: 1}, Readout((2, 1, 0), ((0, 1, 2),)), {"110": 1}),  # reversed
        ({0b01: 3, 0b11: 4, 0b10: 5}, Readout((0,), ((0,),)), {"1": 7, "0": 5}),  # qubit 1 unread
        ({0b1: 1}, Readout((None, 0, None), ((0, 1, 2),)), {"010": 1}),  # never written: 0
        ({0b1: 1}, Readout((0, 0), ((0,), (1,))), {"1 1": 1}),  # read twice
        ({0b10: 1}, Readout((0, 1), ((0, 1), (1,))), {"1 10": 1}),  # overlapping
        ({0b10: 1}, Readout((0, 1), ((), (0, 1), ())), {"10": 1}),  # empty registers
        ({0: 1, 4: 2}, plain(2), {"00": 3}),  # a state wider than what is read
        ({2**35 + 1: 9}, plain(36), {"1" + "0" * 34 + "1": 9}),
        ({}, plain(2), {}),
    ],
)
def test_an_outcome_is_shown_as_its_asker_reads_it(
    states: dict[int, Any], readout: Readout, shown: dict[str, Any]
) -> None:
    assert render(states, readout) == shown


@given(counts=counts, data=st.data())
def test_rendering_agrees_with_reading_bit_by_bit(counts: dict[int, int], data: st.DataObject) -> None:
    bits = tuple(data.draw(st.lists(st.none() | st.integers(0, 24), min_size=1, max_size=8)))
    cut = data.draw(st.integers(0, len(bits)))
    registers = tuple(part for part in (tuple(range(cut)), tuple(range(cut, len(bits)))) if part)
    wanted: Counter[str] = Counter()
    for state, count in counts.items():
        value = [0 if bit is None else state >> bit & 1 for bit in bits]
        wanted[" ".join("".join(str(value[c]) for c in reversed(r)) for r in reversed(registers))] += count
    assert render(counts, Readout(bits, registers)) == dict(wanted)


# -- memory -------------------------------------------------------------------------------------------------


def test_memory_lists_every_shot_shuffled_with_the_seed() -> None:
    counts = {"00": 300, "1 1": 200, "01": 1}
    shots = memory(counts, 5)
    assert Counter(shots) == counts
    assert shots != sorted(shots)
    assert shots == memory(counts, 5)
    assert shots != memory(counts, 6)
    assert memory(counts, None) != memory(counts, None)
    assert {type(shot) for shot in shots} == {str}


def test_memory_of_nothing_is_empty() -> None:
    assert memory({}, 1) == []
