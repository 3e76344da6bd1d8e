"""The arithmetic of exact simulation: a gate applied to the amplitudes in place.

A state of n qubits is an array of shape `(2,) * n`; which axis is which qubit is the caller's to say. Slices
of it are views, so a gate touches only the amplitudes it changes: a control halves the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

State = NDArray[np.complex128]

Rows = tuple[tuple[int, tuple[tuple[int, complex], ...]], ...]
"""The rows of a matrix that differ from the identity's: row, then (column, element) for each nonzero element."""

_ALL = slice(None)
_BIT = (slice(0, 1), slice(1, 2))


def rows_of(matrix: Sequence[Sequence[complex]]) -> Rows:
    """A square matrix as `apply` wants it: identity rows and zeros left out."""
    sparse = (
        (row, tuple((column, element) for column, element in enumerate(elements) if element))
        for row, elements in enumerate(matrix)
    )
    return tuple((row, terms) for row, terms in sparse if terms != ((row, 1),))


def ground(qubits: int) -> State:
    """All qubits in state 0."""
    state = np.zeros((2,) * qubits, np.complex128)
    state[(0,) * qubits] = 1
    return state


def apply(
    state: State,
    rows: Rows,
    targets: Sequence[int],
    controls: Sequence[int],
    axes: Mapping[int, int],
) -> None:
    """Apply a gate in place.

    Args:
        state: The amplitudes, shape `(2,) * n`.
        rows: The gate's matrix; the first target is the least significant bit of a row's index.
        targets: Qubits the matrix acts on.
        controls: Qubits that must all be 1 for it to act.
        axes: The axis of each qubit.
    """
    index = [_ALL] * state.ndim
    for control in controls:
        index[axes[control]] = _BIT[1]
    views = []
    for basis in range(1 << len(targets)):
        for bit, target in enumerate(targets):
            index[axes[target]] = _BIT[basis >> bit & 1]
        views.append(state[tuple(index)])
    changed = []
    for row, terms in rows:
        column, element = terms[0]
        amplitudes = views[column] * element
        for column, element in terms[1:]:
            amplitudes += views[column] * element
        changed.append((views[row], amplitudes))
    for view, amplitudes in changed:
        view[...] = amplitudes


def probabilities(state: State) -> NDArray[np.float64]:
    """The probability of each basis state, the last axis the least significant bit, shape `(2**n,)`."""
    return np.ravel(state.real**2 + state.imag**2)
