from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from qiskit.circuit.library import HGate, MCPhaseGate, get_standard_gate_name_mapping

from exact import evolve, matrix
from qstore.circuits.angle import HALF_TURN, TURN
from qstore.circuits.flat import Step
from qstore.circuits.layers import Letter, letter_of
from qstore.circuits.normal_form import _letters
from qstore.circuits.reduction import reduced

WIRES = 4
STANDARD = get_standard_gate_name_mapping()
TURNING = ("rx", "ry", "rz", "p", "rxx", "ryy", "rzz", "rzx", "crx", "cry", "crz", "cp")
FIXED = ("x", "y", "z", "h", "s", "tdg", "sx", "cx", "cy", "cz", "ch", "csx", "swap", "ccx", "ecr", "id", "iswap")
ANGLES = (math.pi, math.pi, -math.pi / 2, math.pi / 2, math.tau, 0.3, -0.3, 0.7)


def drawn(rng: random.Random, width: int) -> Letter:
    while True:
        name = rng.choice((*TURNING, *FIXED))
        qubits = STANDARD[name].num_qubits
        if qubits <= width:
            angles = (rng.choice(ANGLES),) if name in TURNING else ()
            (letter,) = _letters([Step(name, tuple(rng.sample(range(width), qubits)), (), angles)], width)
            return letter


def done(letters: list[Letter]) -> Any:
    """The matrix of letters, before a reduction or behind it."""
    whole = np.eye(2**WIRES, dtype=complex)
    for name, wires, angles, _ in letters:
        radians = [angle * math.tau / TURN for angle in angles]
        if name in {"mcphase", "mcx"} and radians:
            turned = [wires[-1]] if name == "mcx" else []  # along X instead of Z
            whole = flipped(
                evolve(flipped(whole, turned), matrix(MCPhaseGate(*radians, len(wires) - 1)), wires), turned
            )
        else:
            gate = STANDARD[name].base_class
            whole = evolve(
                whole, matrix(gate(*radians) if name.startswith(("r", "cr", "p")) or name == "cp" else gate()), wires
            )
    return whole


def flipped(whole: Any, wires: list[int]) -> Any:
    for wire in wires:
        whole = evolve(whole, HGate().to_matrix(), (wire,))
    return whole


def test_what_is_left_does_what_all_did() -> None:
    rng = random.Random(4)
    before, behind = 0, 0
    for _ in range(1500):
        width = rng.randint(1, WIRES)
        alphabet = [drawn(rng, width) for _ in range(rng.randint(2, 5))]
        letters = [rng.choice(alphabet) for _ in range(rng.randint(1, 12))]
        left = reduced(letters, WIRES)
        before, behind = before + len(letters), behind + len(left)
        overlap = abs(np.vdot(done(letters), done(left))) / 2**WIRES
        assert overlap == pytest.approx(1, abs=1e-12), (letters, left)
    assert behind < 0.8 * before


def circuit(*words: str) -> list[Letter]:
    """Letters such as `h0`, `cx01` or `rz0 quarter`."""
    turns = {"quarter": math.pi / 2, "half": math.pi, "whole": math.tau, "bit": 0.3, "-bit": -0.3}
    steps = []
    for word in words:
        name, *angles = word.split()
        on = tuple(int(digit) for digit in name if digit.isdigit())
        steps.append(Step(name.rstrip("0123"), on, (), tuple(turns[angle] for angle in angles)))
    return list(_letters(steps, WIRES))


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("h0", "h0"), ()),
        (("s0", "t0", "tdg0", "sdg0"), ()),
        (("rz0 bit", "rz0 bit", "p0 -bit", "rz0 -bit"), ()),
        (("cx01", "h2", "cx01"), ("h2",)),
        (("cx01", "rz0 bit", "rx1 bit", "cx01"), ("rz0 bit", "rx1 bit")),  # what commutes with both is no obstacle
        (("cx01", "rx0 bit", "cx01"), ("cx01", "rx0 bit", "cx01")),
        (("h0", "cx01", "cx12", "cx12", "cx01", "h0"), ()),  # from the inside out
        (("sx0", "sx0"), ("x0",)),
        (("s0", "s0"), ("z0",)),
        (("crz01 whole", "crz01 whole"), ()),
        (("crz01 whole",), ("crz01 whole",)),  # a Z of the control
        (("rzz01 whole",), ()),
        (("id0", "rx0 whole", "rzz12 bit", "rzz12 -bit"), ()),
        (("csx01", "csx01"), ("cx01",)),
        (("rx0 half", "z0", "rx0 half"), ("z0",)),  # but for a sign
        (("swap01", "rxx01 bit", "swap01"), ("rxx01 bit",)),
    ],
)
def test_neighbors_merge_and_cancel(words: tuple[str, ...], left: tuple[str, ...]) -> None:
    assert sorted(reduced(circuit(*words), WIRES)) == sorted(reduced(circuit(*left), WIRES))
    assert len(reduced(circuit(*words), WIRES)) == len(left)


def test_a_mirror_of_any_depth_leaves_nothing() -> None:
    rng = random.Random(6)
    there, back = [], []
    for _ in range(2000):
        one, other = rng.sample(range(WIRES), 2)
        angle = rng.randrange(1, TURN)
        name, wires, turn = rng.choice(
            [("h", (one,), HALF_TURN), ("rz", (one,), angle), ("mcx", (one, other), HALF_TURN)]
        )
        plain = name in {"h", "mcx"}
        there.append(letter_of(name if name != "mcx" else "cx", wires, () if plain else (turn,)))
        back.append(letter_of(name if name != "mcx" else "cx", wires, () if plain else (TURN - turn,)))
    assert reduced([*there, *reversed(back)], WIRES) == []
