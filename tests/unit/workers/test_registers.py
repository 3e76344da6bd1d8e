"""Shots by register become a distribution over clbits, bit i being clbit i."""

from __future__ import annotations

from typing import Any

import pytest

from qstore.errors import InvalidResultError
from workers.registers import tally


def test_bits_are_read_least_significant_first() -> None:
    shots = [{"registers": {"c": [1, 0, 0]}}] * 3 + [{"registers": {"c": [0, 1, 1], "output_all": [1]}}]
    assert tally(shots, 3, 4) == {1: 0.75, 6: 0.25}


@pytest.mark.parametrize(
    "shots",
    [
        None,
        {},
        [],
        [{"registers": {}}] * 2,
        [{"registers": {"c": [0]}}] * 2,
        [{"registers": {"c": [0, 2]}}] * 2,
        [{"registers": {"c": [0, 1]}}],
        [{"registers": {"c": [0, 1]}}] * 3,
    ],
)
def test_anything_else_is_an_invalid_result(shots: Any) -> None:
    with pytest.raises(InvalidResultError):
        tally(shots, 2, 2)
