from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import random_unitary

from qstore.circuits.angle import HALF_TURN, TURN, matrix_on_grid, on_grid, to_the_bit, within

STEP = math.tau / TURN
angles = st.floats(-2000, 2000, allow_nan=False)


def entries(matrix: Any) -> list[float]:
    return [part for entry in matrix.ravel().tolist() for part in (entry.real, entry.imag)]


@pytest.mark.parametrize("eighths", range(-16, 17))
def test_fractions_of_a_turn_are_whole_steps_however_they_are_computed(eighths: int) -> None:
    wanted = eighths * TURN // 8
    assert on_grid(eighths * math.pi / 4) == wanted
    assert on_grid(math.pi / 4 * eighths) == on_grid(sum([math.pi / 4] * abs(eighths)) * (1 if eighths > 0 else -1))
    for turns in (-3, -1, 1, 2, 160, 100_000):
        assert within(eighths * math.pi / 4 + turns * math.tau, TURN) == wanted % TURN
        assert within(eighths * math.pi / 4 + 2 * turns * math.tau, 2 * TURN) == wanted % (2 * TURN)


def test_one_turn_is_half_of_a_period_of_two() -> None:
    assert within(math.tau, 2 * TURN) == TURN
    assert within(-math.tau, 2 * TURN) == TURN
    assert within(math.pi, TURN) == within(-math.pi, TURN) == HALF_TURN


@given(angle=angles)
def test_a_zero_has_no_sign_and_opposite_angles_have_opposite_numbers(angle: float) -> None:
    assert on_grid(0.0) == on_grid(-0.0) == within(-0.0, TURN) == 0
    assert (within(angle, TURN) + within(-angle, TURN)) % TURN == 0


@given(one=angles, other=angles | st.floats(-1e-8, 1e-8))
def test_angles_share_a_number_only_within_a_step_modulo_the_period(one: float, other: float) -> None:
    other += one  # often a neighbor
    for period in (TURN, 2 * TURN):
        apart = abs(math.remainder(one - other, math.tau * period / TURN))
        steps = (within(one, period) - within(other, period)) % period
        assert min(steps, period - steps) == pytest.approx(apart / STEP, abs=1.001)
    assert (on_grid(one) == on_grid(other)) <= (abs(one - other) < STEP)


def test_angles_beyond_the_grid_have_numbers_of_their_own() -> None:
    far = [1024.0, -1024.0, math.nextafter(1024, 2000), 1e6, -1e6, 1e300]
    near = [on_grid(angle) for angle in (0.0, 1023.999, -1023.999)]
    assert len({*map(on_grid, far), *near}) == len(far) + len(near)
    assert on_grid(1e6) == to_the_bit(1e6) != to_the_bit(math.nextafter(1e6, 0))
    assert all(-(2**63) <= on_grid(angle) < 2**63 for angle in far)


def test_a_nudge_of_1e_12_keeps_nearly_every_angle() -> None:
    rng = random.Random(2)
    drawn = [rng.uniform(-7, 7) for _ in range(20_000)]
    moved = sum(on_grid(angle) != on_grid(angle + 1e-12) for angle in drawn)
    assert 0 < moved < 40  # 1e-12 of 1.46e-9: seven in ten thousand


@pytest.mark.parametrize("seed", range(20))
def test_a_matrix_keeps_its_numbers_under_a_global_phase_and_nothing_else(seed: int) -> None:
    matrix = random_unitary(4, seed=seed).data
    numbers = matrix_on_grid(entries(matrix))
    for phase in (0.1, math.pi, 4.0):
        turned = matrix_on_grid(entries(matrix * np.exp(1j * phase)))
        assert max(abs(one - other) for one, other in zip(numbers, turned, strict=True)) <= 1
    assert numbers != matrix_on_grid(entries(np.diag([1, 1, 1, np.exp(1e-8j)]) @ matrix))
    assert numbers != matrix_on_grid(entries(matrix.T))
    assert numbers != matrix_on_grid(entries(matrix.conj()))
    assert numbers != matrix_on_grid(entries(np.diag([1, 1, 1, -1]) @ matrix))
