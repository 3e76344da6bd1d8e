"""Handwritten digits as vectors of 8 components, and quantum kernels between them, exact, in plain linear algebra.

Independent of the circuits that the service makes: the states of `FeatureMap` come from no gate but the Hadamard, and
from phases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

DIMENSION = 8


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Images of digits, as vectors.

    Attributes:
        queries: Some, held out; what follows knows nothing of them.
        answers: Which digit each of them is.
        stored: All others; their mean is 0, and so is that of their squared length 1.
        labels: Which digit each of those is.
    """

    queries: Vectors
    answers: Labels
    stored: Vectors
    labels: Labels


def digits(held_out: int, seed: int) -> Digits:
    """The 1,797 images that scikit-learn ships, reduced to their first principal components.

    All components are scaled by one factor, so that no direction counts more than the data have it.

    Args:
        held_out: How many of them are queries.
        seed: Of which.
    """
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    asked, stored = order[:held_out], order[held_out:]
    axes = PCA(DIMENSION, svd_solver="full").fit(images[stored])
    length = np.sqrt(np.square(axes.transform(images[stored])).sum(axis=1).mean())
    vectors: Vectors = (axes.transform(images) / length).astype(np.float32)
    return Digits(vectors[asked], labels[asked], vectors[stored], labels[stored])


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A feature map on a chain of qubits.

    Attributes:
        pairs: What the angle of two neighbors is: `product` of theirs; or `shifted`, (π - one) (π - other), as in
            Havlíček et al. 2019 and Qiskit's `zz_feature_map`.
        reps: Layers.
        scale: Radians for a component of 1.
    """

    pairs: Literal["product", "shifted"]
    reps: int
    scale: float

    def kernel(self, one: Vectors, other: Vectors) -> Array:
        """The fidelity of each of some vectors with each of others."""
        overlaps = self._states(one) @ self._states(other).conj().T
        fidelities: Array = np.clip(np.abs(overlaps) ** 2, 0, 1)
        return fidelities

    def _states(self, vectors: Vectors) -> Any:
        """A row of amplitudes for each vector; the first component is the least significant bit."""
        angles, size = vectors.astype(float) * self.scale, vectors.shape[1]
        shift = np.pi if self.pairs == "shifted" else 0.0
        signs = 1 - 2 * (np.arange(2**size)[:, None] >> np.arange(size) & 1)  # of Z on each qubit in each basis state
        pairs = (shift - angles[:, :-1]) * (shift - angles[:, 1:])
        phases = np.exp(-1j * (angles @ signs.T + pairs @ (signs[:, :-1] * signs[:, 1:]).T))
        hadamard = np.array([[1.0]])
        for _ in range(size):
            hadamard = np.kron(hadamard, np.array([[1, 1], [1, -1]]) / np.sqrt(2))
        states = np.eye(1, 2**size, dtype=complex).repeat(len(vectors), axis=0)
        for _ in range(self.reps):
            states = states @ hadamard * phases
        return states


def distances(one: Vectors, other: Vectors) -> Array:
    """The Euclidean distance of each of some vectors from each of others."""
    apart: Array = np.linalg.norm(one[:, None].astype(float) - other[None], axis=2)
    return apart


def cosines(one: Vectors, other: Vectors) -> Array:
    """The cosine of the angle between each of some vectors and each of others."""
    first, second = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one.astype(float), other))
    cosine: Array = first @ second.T
    return cosine


def accuracy(nearest: NDArray[np.int64], labels: Labels, answers: Labels) -> float:
    """The share of queries whose digit most of their neighbors are; of equally many, the digit of the nearest.

    Args:
        nearest: A row of places in `labels` for each query, nearest first.
        labels: Of what is stored.
        answers: Of the queries.
    """
    right = 0
    for row, answer in zip(labels[nearest].tolist(), answers.tolist(), strict=True):
        right += max(row, key=row.count) == answer  # `max` takes the first of equals
    return right / len(answers)
