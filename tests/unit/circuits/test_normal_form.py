from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from qstore.circuits.layers import Record
from qstore.circuits.normal_form import listed, normal_form

WIRES = 4
SIZES = {"h": 1, "rz": 1, "cx": 2, "rzz": 2, "ccx": 3}
GROWING = ("barrier", "mcx", "mcphase")
ANGLES = {"rz": 1, "rzz": 1, "mcphase": 1}


@given(seed=st.integers(0, 2**32))
def test_what_is_hashed_tells_the_normal_form(seed: int) -> None:
    rng = random.Random(seed)
    lines = []
    for _ in range(rng.randint(0, 10)):
        name = rng.choice([*SIZES, *GROWING])
        wires = rng.sample(range(WIRES), SIZES.get(name) or rng.randint(1, WIRES))
        lines.append((name, tuple(wires), (), (0.5,) * ANGLES.get(name, 0)))
    records = normal_form(lines, WIRES, 0, "commuting", trims=False)
    assert told_by(*listed(records)) == records


def told_by(names: list[str], numbers: list[float]) -> list[Record]:
    """The records, read from their names and numbers alone."""
    rest = map(int, numbers)
    places = [next(rest) for _ in names]
    sized = [name.partition(" on ") for name in names]
    sizes = [int(size) if size else SIZES[name] for name, _, size in sized]
    wires = [(place % WIRES, *[next(rest) for _ in range(size - 1)]) for place, size in zip(places, sizes, strict=True)]
    angles = [tuple([next(rest) for _ in range(ANGLES.get(name, 0))]) for name, _, _ in sized]
    assert not [*rest]
    return [*zip(places, wires, [name for name, _, _ in sized], angles, strict=True)]
