"""Distributions as vectors of 256 components, so that near in angle is near in outcome.

Invariant: a vector depends on the distribution alone, in whatever process and on whatever day it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.vectors.store import Vector

DIMENSION = 256
"""Components of every vector made here."""

_ROWS = 4  # each key stands in this many components, so no single collision hides it
_COLUMNS = DIMENSION // _ROWS
_WORD = 64  # bits
_BITS = 7  # of a hash, for each row: six for the column, one for the sign

Keys = NDArray[np.uint64]


def sketch(states: Mapping[int, float], width: int) -> Vector:
    """A distribution as a unit vector, whose inner product with another's is their `affinity`.

    Its components are square roots of probabilities. Up to 8 bits each basis state has a component of its own, and the
    inner product is exact. Beyond, states share components by `count_sketch`, and it is an estimate whose standard
    error is at most sqrt(2 / 256), 0.09, and about 1/16 where the two have little in common.

    Args:
        states: Shots or probabilities by basis state; what is not positive counts as never seen.
        width: Bits of a basis state. Vectors of different widths mean nothing to each other.
    """
    seen = _seen(states)
    roots = np.sqrt(np.fromiter(seen.values(), np.float64, len(seen)))
    if 2**width <= DIMENSION:
        vector = np.zeros(DIMENSION)
        vector[np.fromiter(seen, np.intp, len(seen))] = roots
        return unit(vector)
    return unit(count_sketch(hashed(seen, width), roots))


def affinity(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """The Bhattacharyya coefficient of two distributions: 1 where they are equal, 0 where they have nothing in common.

    It is the sum of sqrt(p q) over all states, the classical fidelity before squaring (Bhattacharyya, "On a measure of
    divergence between two multinomial populations", Sankhya 7, 1946).

    Args:
        one: Shots or probabilities by basis state; what is not positive counts as never seen.
        other: The same of the other.
    """
    first, second = _seen(one), _seen(other)
    shared = math.fsum([math.sqrt(first[state] * second[state]) for state in first.keys() & second.keys()])
    whole = math.sqrt(math.fsum(first.values()) * math.fsum(second.values()))
    return min(shared / whole, 1.0) if whole else 0.0


def count_sketch(keys: Keys, values: ArrayLike) -> NDArray[np.float64]:
    """Fold a vector with a component for every possible key into 256: inner products stay what they are, on average.

    A value is added to one component in each of four rows of 64, with one of two signs, all by the bits of its key
    (Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", ICALP 2002; the rows are added up
    instead of taking their median, as Kane and Nelson do, "Sparser Johnson-Lindenstrauss transforms", J. ACM 2014).

    Args:
        keys: A hash for each value, whose bits are as good as tosses of a coin.
        values: What stands there.
    """
    rows = np.arange(_ROWS, dtype=np.uint64)[:, np.newaxis]
    bits = keys >> rows * np.uint64(_BITS)
    columns = (rows * np.uint64(_COLUMNS) + bits % np.uint64(_COLUMNS)).astype(np.intp)
    signs = 1.0 - 2.0 * (bits // np.uint64(_COLUMNS) % np.uint64(2))
    folded = np.zeros(DIMENSION)
    np.add.at(folded, columns, signs * np.asarray(values, np.float64) / math.sqrt(_ROWS))
    return folded


def mix(keys: Keys) -> Keys:
    """A hash of 64 bits for each number of 64 bits, and never one for two.

    It is one step of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ keys >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ keys >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return keys ^ keys >> np.uint64(31)


def hashed(states: Iterable[int], width: int) -> Keys:
    """A hash for each basis state, however wide: 64 bits of it at a time.

    Args:
        states: Numbers of at most that many bits.
        width: Bits.
    """
    words = -(-width // _WORD)
    data = b"".join([state.to_bytes(words * 8, "little") for state in states])
    keys = np.zeros(len(data) // (words * 8), np.uint64)
    for word in np.frombuffer(data, "<u8").reshape(-1, words).T:
        keys = mix(keys ^ word)
    return keys


def unit(vector: NDArray[np.float64]) -> Vector:
    """The vector at length 1, in single precision.

    Of zeros, which no store can compare by angle, it makes what is far from all that was ever seen: equal negative
    components.
    """
    length = float(np.linalg.norm(vector))
    whole = vector / length if length else np.full(len(vector), -1 / math.sqrt(len(vector)))
    return whole.astype(np.float32)


def _seen(states: Mapping[int, float]) -> dict[int, float]:
    return {state: value for state, value in states.items() if value > 0}
