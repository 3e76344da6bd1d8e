from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qstore.bank import deposit, withdraw
from qstore.circuits.counts import draw
from qstore.outcome import Outcome

DISTRIBUTION = {0: 0.5, 1: 0.3, 2: 0.15, 7: 0.05}
FOREVER = float("inf")
REPEATS = 2000


def bought(shots: int, seed: int, *, done: float = 0.0, calibration: str | None = None, exact: bool = True) -> Outcome:
    return Outcome(
        states=draw(DISTRIBUTION, shots, seed),
        probabilities=DISTRIBUTION,
        shots=shots,
        backend="simulator",
        fingerprint="f",
        remote_id=f"job {seed}",
        seed=seed,
        sent=done - 1,
        done=done,
        quantum_seconds=None,
        calibration=calibration,
        is_exact=exact,
    )


def banked(*parts: Outcome) -> Outcome:
    bank = None
    for part in parts:
        bank = deposit(bank, part, FOREVER)
    assert bank is not None
    return bank


def is_one_run(shots: int, sample: Callable[[int], Mapping[int, int]]) -> dict[int, float]:
    """By state: the p-value of its counts, over many samples, being binomial as they are in one run."""
    samples = [sample(number) for number in range(REPEATS)]
    assert {sum(each.values()) for each in samples} == {shots}
    p_values = {}
    for state, probability in DISTRIBUTION.items():
        law = stats.binom(shots, probability)
        edges = np.unique(law.ppf(np.linspace(0, 1, 12)[1:-1]))
        chances = np.diff([0.0, *law.cdf(edges), 1.0])
        found = np.bincount(
            np.searchsorted(edges, [each.get(state, 0) for each in samples], side="left"), minlength=len(chances)
        )
        p_values[state] = float(stats.chisquare(found, chances * REPEATS).pvalue)
    return p_values


def test_merged_counts_are_distributed_as_one_run() -> None:
    def sample(number: int) -> Mapping[int, int]:
        return banked(bought(100, 2 * number), bought(300, 2 * number + 1)).states

    assert min(is_one_run(400, sample).values()) > 1e-3


def test_shots_drawn_from_a_bank_are_distributed_as_one_run() -> None:
    def sample(number: int) -> Mapping[int, int]:
        return withdraw(banked(bought(100, 2 * number), bought(300, 2 * number + 1)), 120, "lot").states

    assert min(is_one_run(120, sample).values()) > 1e-3


def test_the_same_sample_merged_with_itself_is_not() -> None:
    def sample(number: int) -> Mapping[int, int]:
        return banked(bought(200, number), bought(200, number)).states

    assert max(is_one_run(400, sample).values()) < 1e-6


def test_shots_drawn_with_replacement_would_not_be() -> None:
    def sample(number: int) -> Mapping[int, int]:
        bank = banked(bought(150, number))
        return draw({state: count / 150 for state, count in bank.states.items()}, 150, number)

    assert max(is_one_run(150, sample).values()) < 1e-6


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5), seed=st.integers(0, 99), share=st.floats(0, 1))
def test_every_shot_drawn_is_one_of_a_part_that_is_named(sizes: list[int], seed: int, share: float) -> None:
    bank = banked(*[bought(shots, number) for number, shots in enumerate(sizes)])
    shots = max(1, round(bank.shots * share))
    drawn = withdraw(bank, shots, f"lot {seed}")
    assert drawn.shots == sum(drawn.states.values()) == sum(part.shots for part in drawn.parts) == shots
    assert Counter(drawn.states) == sum((Counter(part.states) for part in drawn.parts), Counter())
    owners = {part.remote_id: part for part in bank.parts}
    for part in drawn.parts:
        assert Counter(part.states) <= Counter(owners[part.remote_id].states)
        assert part.shots == sum(part.states.values()) > 0


def test_all_that_is_banked_can_be_drawn_and_no_more() -> None:
    bank = banked(bought(100, 1), bought(50, 2))
    assert withdraw(bank, 150, "lot").states == bank.states
    with pytest.raises(ValueError, match="sum"):
        withdraw(bank, 151, "lot")


def test_the_same_lot_draws_the_same_shots_and_another_others() -> None:
    bank = banked(bought(1000, 1), bought(1000, 2))
    assert withdraw(bank, 700, "one") == withdraw(bank, 700, "one")
    assert withdraw(bank, 700, "one").states != withdraw(bank, 700, "other").states


def test_parts_that_are_too_old_leave_the_bank() -> None:
    bank = deposit(deposit(None, bought(100, 1, done=0.0), 60.0), bought(100, 2, done=59.0), 60.0)
    assert [part.remote_id for part in bank.parts] == ["job 1", "job 2"]
    bank = deposit(bank, bought(100, 3, done=60.0), 60.0)
    assert [part.remote_id for part in bank.parts] == ["job 2", "job 3"]
    assert bank.shots == 200


def test_shots_of_another_calibration_are_not_merged() -> None:
    bank = banked(bought(100, 1, calibration="old"), bought(100, 2, calibration="new"))
    assert [part.remote_id for part in bank.parts] == ["job 2"]


def test_exact_probabilities_stay_and_frequencies_are_those_of_the_merged_counts() -> None:
    assert banked(bought(100, 1), bought(100, 2)).probabilities == DISTRIBUTION
    measured = banked(bought(100, 1, exact=False), bought(300, 2, exact=False))
    assert measured.probabilities == {state: count / 400 for state, count in measured.states.items()}


def test_a_bank_survives_its_way_through_redis() -> None:
    bank = banked(bought(100, 1), replace(bought(100, 2), usd=0.5))
    assert Outcome.from_json(bank.to_json()) == bank
