"""Distributions to counts, and basis states to the asker's bitstrings.

A basis state is an integer whose bit i is qubit i (`qis`) or clbit i (`qasm3`). Shots are never lost: whatever
goes in comes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import TypeVar

import numpy as np

from qstore.errors import InvalidResultError
from qstore.job import Readout

TOLERANCE = 1e-3
"""How far from 1 the probabilities of a distribution may sum up."""

T = TypeVar("T", int, float)


def check_distribution(probabilities: object, width: int) -> dict[int, float]:
    """Make sure of IonQ's answer.

    Args:
        probabilities: Probabilities by basis state in decimal, as JSON has them: `{"0": 0.5, "3": 0.5}`.
        width: Bits of a basis state.

    Returns:
        Probabilities by basis state, summing up to 1; the impossible ones left out.

    Raises:
        InvalidResultError: It is no distribution over basis states of that width.
    """
    if not isinstance(probabilities, Mapping) or not probabilities:
        raise InvalidResultError(f"IonQ's result is no distribution: {_short(probabilities)}.")
    states: dict[int, float] = {}
    for key, value in probabilities.items():
        state = _state(key, width)
        states[state] = states.get(state, 0.0) + _probability(key, value)
    total = math.fsum(states.values())
    if abs(total - 1) > TOLERANCE:
        raise InvalidResultError(f"IonQ's probabilities sum up to {total}, not to 1.")
    return {state: probability / total for state, probability in states.items() if probability}


def draw(probabilities: Mapping[int, float], shots: int, seed: int | None) -> dict[int, int]:
    """Draw shots from a distribution.

    Args:
        probabilities: By basis state.
        shots: Number of shots.
        seed: The same seed gives the same counts; None draws afresh.

    Returns:
        Counts by basis state, in ascending order, zeros left out.
    """
    # Without the impossible states: the last one drawn takes what rounding leaves over.
    states = sorted(state for state, probability in probabilities.items() if probability > 0)
    weights = np.array([probabilities[state] for state in states])
    drawn = np.random.default_rng(seed).multinomial(shots, weights / weights.sum())
    return {state: count for state, count in zip(states, drawn.tolist(), strict=True) if count}


def draw_without_replacement(counts: Mapping[int, int], shots: int, rng: np.random.Generator) -> dict[int, int]:
    """Draw some of the shots there are, each at most once.

    Args:
        counts: The shots there are, by basis state, or by whatever else tells them apart.
        shots: How many to draw; no more than there are.
        rng: Source of randomness.

    Returns:
        Counts of those drawn, in ascending order, zeros left out.
    """
    states = sorted(counts)
    # the fastest of numpy's ways, and the only one without an array of every shot
    drawn = rng.multivariate_hypergeometric([counts[state] for state in states], shots, method="marginals")
    return {state: count for state, count in zip(states, drawn.tolist(), strict=True) if count}


def apportion(probabilities: Mapping[int, float], shots: int) -> dict[int, int]:
    """Turn relative frequencies back into counts, by largest remainder; the lower state wins a tie.

    Exact where the probabilities are counts divided by `shots`.

    Args:
        probabilities: By basis state.
        shots: Number of shots.

    Returns:
        Counts by basis state, in ascending order, zeros left out.
    """
    total = math.fsum(probabilities.values())
    quotas = {state: probabilities[state] / total * shots for state in sorted(probabilities)}
    counts = {state: math.floor(quota) for state, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda state: counts[state] - quotas[state])  # stable: ties stay in order
    for state in by_remainder[: shots - sum(counts.values())]:
        counts[state] += 1
    return {state: count for state, count in counts.items() if count}


def render(states: Mapping[int, T], readout: Readout) -> dict[str, T]:
    """Show an outcome as its asker reads it.

    Qiskit's order and spacing: in a register the highest clbit stands leftmost, of the registers the one added
    last, with a space between them. States that look the same to the asker are added up.

    Args:
        states: Counts or probabilities by basis state.
        readout: Which bit shows where.
    """
    width = len(readout.bits)
    whole = tuple(range(width))
    if readout.bits == whole and readout.registers == (whole,) and max(states, default=0) < 1 << width:
        return {f"{state:0{width}b}": value for state, value in states.items()}
    pick = itemgetter(*_characters(readout))
    digits = 1 + max((bit for bit in readout.bits if bit is not None), default=0)
    rendered: dict[str, T] = {}
    for state, value in states.items():
        shown = "".join(pick(f"{state:0{digits}b}0 "))
        rendered[shown] = rendered[shown] + value if shown in rendered else value
    return rendered


def memory(counts: Mapping[str, int], seed: int | None) -> list[str]:
    """List every shot, shuffled.

    Args:
        counts: Counts by bitstring.
        seed: The same seed gives the same order; None shuffles afresh.
    """
    shown = np.array(list(counts), dtype=object)
    shots = np.repeat(shown, list(counts.values()))
    np.random.default_rng(seed).shuffle(shots)
    return list(shots)


def _characters(readout: Readout) -> list[int]:
    """Which characters to show, from left to right, of a state in binary with `"0 "` behind it.

    Counted from the right end, so that a state may have any number of leading digits.
    """
    space, zero, first = -1, -2, -3
    characters: list[int] = []
    for register in reversed(readout.registers):
        if not register:
            continue
        if characters:
            characters.append(space)
        for clbit in reversed(register):
            bit = readout.bits[clbit]
            characters.append(zero if bit is None else first - bit)
    return characters


def _state(key: object, width: int) -> int:
    if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= len(str(1 << width)):
        state = int(key)
        if state < 1 << width:
            return state
    raise InvalidResultError(f"IonQ's result has {_short(key)}, which is no basis state of {width} bits.")


def _probability(key: object, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1 + TOLERANCE:
        return float(value)
    raise InvalidResultError(f"IonQ gives state {_short(key)} the probability {_short(value)}.")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004  characters enough to recognize it
