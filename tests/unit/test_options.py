"""Options are checked in one place, each fault in one clear sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit_ionq import ErrorMitigation

from qstore import errors
from qstore.job import Level, Options
from qstore.options import parse_options


def test_nothing_asked_gives_the_defaults() -> None:
    assert parse_options({}) == Options()
    assert parse_options({"shots": None, "seed": None}) == Options()


@pytest.mark.parametrize("shots", [0, -1, 1.5, 10**9, True, "100", float("nan"), [100]])
def test_impossible_shots_are_refused(shots: Any) -> None:
    with pytest.raises(errors.InvalidShotsError, match="whole number from 1 to 1,000,000"):
        parse_options({"shots": shots})


@pytest.mark.parametrize("shots", [1, 1_000_000, np.int64(7)])
def test_whole_shots_are_taken_as_plain_numbers(shots: Any) -> None:
    assert type(parse_options({"shots": shots}).shots) is int


def test_an_unknown_option_is_named_with_the_likely_one() -> None:
    with pytest.raises(errors.UnknownOptionError, match="'shtos': did you mean 'shots'"):
        parse_options({"shtos": 100})


def test_an_unknown_option_that_resembles_none_lists_them_all() -> None:
    with pytest.raises(errors.UnknownOptionError, match="there are shots, backend"):
        parse_options({"zzz": 1})


@pytest.mark.parametrize("name", ["simulator", "ionq_simulator"])
def test_ionq_s_names_are_taken_with_or_without_prefix(name: str) -> None:
    assert parse_options({"backend": name}).backend == "simulator"


@pytest.mark.parametrize("backend", ["simulater", "qpu.forte-9", "", 7])
def test_an_unknown_backend_is_refused(backend: Any) -> None:
    with pytest.raises(errors.UnknownBackendError, match="simulator"):
        parse_options({"backend": backend})


def test_an_unknown_noise_model_is_refused() -> None:
    with pytest.raises(errors.UnknownNoiseModelError, match="aria-1"):
        parse_options({"noise_model": "aria-7"})


def test_a_machine_has_no_noise_model() -> None:
    with pytest.raises(errors.UnknownNoiseModelError, match="its own noise"):
        parse_options({"noise_model": "aria-1", "backend": "qpu.forte-1"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("debiasing", True),
        ("no_debiasing", False),
        ({"debiasing": True}, True),
        (ErrorMitigation.DEBIASING, True),
        (ErrorMitigation.NO_DEBIASING, False),
        (None, None),
    ],
)
def test_mitigation_is_spelled_as_ionq_s_tools_spell_it(given: Any, expected: bool | None) -> None:
    options = parse_options({"error_mitigation": given, "backend": "qpu.forte-1", "shots": 500})
    assert options.debiasing is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("always", "always"), ("never", "never"), ("inflight", "inflight"), (True, "always"), (False, "never")],
)
def test_what_may_answer_is_a_word_or_yes_or_no(given: Any, expected: str) -> None:
    assert parse_options({"reuse": given}).reuse == expected


@pytest.mark.parametrize("seconds", [60, 0.5, np.float64(2.5)])
def test_an_age_is_taken_as_plain_seconds(seconds: Any) -> None:
    found = parse_options({"max_age": seconds}).max_age
    assert (type(found), found) == (float, seconds)


@pytest.mark.parametrize("reuse", ["never", "inflight", False])
def test_an_age_of_what_is_not_taken_makes_no_sense(reuse: Any) -> None:
    with pytest.raises(errors.InvalidOptionError, match="leave one of them out"):
        parse_options({"reuse": reuse, "max_age": 60})


@pytest.mark.parametrize("level", ["exact", "commuting", "semantic"])
def test_the_caller_may_say_which_circuits_count_as_the_same(level: Level) -> None:
    assert parse_options({"fingerprint_level": level}).fingerprint_level == level


@pytest.mark.parametrize(
    "given",
    [
        {"error_mitigation": "debiasing"},
        {"error_mitigation": "debiasing", "backend": "qpu.forte-1", "shots": 499},
        {"error_mitigation": "zne", "backend": "qpu.forte-1"},
        {"error_mitigation": {"debiasing": 1}, "backend": "qpu.forte-1"},
        {"optimization_level": 4},
        {"optimization_level": "high"},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 0.5},
        {"reuse": "no"},
        {"reuse": 1},
        {"max_age": 0},
        {"max_age": -1.0},
        {"max_age": float("inf")},
        {"max_age": float("nan")},
        {"max_age": True},
        {"max_age": "60"},
        {"fingerprint_level": "loose"},
        {"fingerprint_level": 1},
        {"memory": 1},
        {"name": ""},
        {"name": "x" * 201},
        {"name": 3},
    ],
)
def test_an_impossible_value_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidOptionError):
        parse_options(given)
