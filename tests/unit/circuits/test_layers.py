from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore.circuits.angle import HALF_TURN
from qstore.circuits.layers import Layers, Letter, letter_of

WIRES = 4
NAMES = ("x", "z", "h", "rx", "rz", "rxx", "ryy", "rzz", "iswap", "swap", "mcphase", "mcx", "unitary")
SHARED = {"rxx": 2, "ryy": 2, "rzz": 2, "swap": 2, "iswap": 2, "mcphase": 3, "mcx": 3, "unitary": 2}
SYMMETRIC = {"mcx": 2, "unitary": 0}


def drawn(rng: random.Random) -> Letter:
    name = rng.choice(NAMES)
    wires = rng.sample(range(WIRES), SHARED.get(name, 1))
    symmetric = SYMMETRIC.get(name, len(wires))
    angles = (rng.choice((HALF_TURN, 12345)),) if name.startswith("r") or name == "mcphase" else ()
    return letter_of(name, (*sorted(wires[:symmetric]), *wires[symmetric:]), angles)


def layered(letters: list[Letter]) -> list[tuple[int, Letter]]:
    layers, found = Layers(WIRES, NAMES), []
    for letter in letters:
        name, wires, _, kinds = letter
        layer = layers.of(name, wires, kinds)
        layers.put(name, wires, kinds, layer)
        found.append((layer, letter))
    return sorted(found)


def together(one: Letter, other: Letter) -> bool:
    """Whether two gates, alone, stand on one layer."""
    return [layer for layer, _ in layered([one, other])] == [0, 0]


@given(seed=st.integers(0, 2**32))
def test_neighbors_that_commute_may_change_places_and_no_layer_changes(seed: int) -> None:
    rng = random.Random(seed)
    letters = [drawn(rng) for _ in range(rng.randint(2, 25))]
    shuffled = letters.copy()
    for _ in range(100):
        place = rng.randrange(len(letters) - 1)
        if together(*shuffled[place : place + 2]):
            shuffled[place : place + 2] = shuffled[place + 1], shuffled[place]
    assert layered(shuffled) == layered(letters)


@given(seed=st.integers(0, 2**32))
def test_a_gate_stands_on_the_first_layer_behind_all_it_does_not_commute_with(seed: int) -> None:
    rng = random.Random(seed)
    letters = [drawn(rng) for _ in range(15)]
    layers = Layers(WIRES, NAMES)
    standing: list[tuple[int, Letter]] = []
    for letter in letters:
        name, wires, _, kinds = letter
        layer = layers.of(name, wires, kinds)
        assert layer == max([on + 1 for on, other in standing if not together(other, letter)], default=0)
        layers.put(name, wires, kinds, layer)
        standing.append((layer, letter))


@given(seed=st.integers(0, 2**32), names=st.sampled_from([NAMES, ("x", "z", "h", "rx", "rxx", "mcx")]))
def test_filling_puts_every_gate_where_it_would_stand(seed: int, names: tuple[str, ...]) -> None:
    rng = random.Random(seed)
    letters = [letter for letter in [drawn(rng) for _ in range(25)] if letter[0] in names]
    layers = Layers(WIRES, names)
    expected = []
    for name, wires, angles, kinds in letters:
        layer = layers.of(name, wires, kinds)
        layers.put(name, wires, kinds, layer)
        expected.append((layer * WIRES + wires[0], wires, name, angles))
    assert Layers(WIRES, names).fill(letters) == expected


@pytest.mark.parametrize("names", [("cx", "h", "rx"), ("cx", "h", "rx", "swap")])
def test_a_gate_that_is_taken_away_leaves_its_wires_as_they_were(names: tuple[str, ...]) -> None:
    layers = Layers(2, names)
    h, cx = letter_of("h", (0,), ()), letter_of("cx", (0, 1), ())
    layers.put(h[0], h[1], h[3], 0)
    saved = layers.save(cx[0], cx[1], cx[3])
    layers.put(cx[0], cx[1], cx[3], 1)
    assert layers.of("h", (1,), letter_of("h", (1,), ())[3]) == 2
    for wire in cx[1]:
        layers.restore(wire, (cx[0], cx[1], cx[3]), saved[wire])
    assert layers.of("h", (1,), letter_of("h", (1,), ())[3]) == 0
    assert layers.of("cx", (0, 1), cx[3]) == 1
