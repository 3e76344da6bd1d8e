"""The shots bank: samples of one circuit add up, and are drawn from without replacement.

The invariant: what is drawn is distributed as one run of as many shots would be, since every part was sampled from the
same distribution and independently of the others; and every shot drawn comes from a part that is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np

from qstore.circuits.counts import draw_without_replacement
from qstore.job import DEBIASING_SHOTS, Group
from qstore.outcome import MAX_PROBABILITIES, Outcome


def deposit(bank: Outcome | None, bought: Outcome, max_age: float) -> Outcome:
    """Add what was bought to what is banked.

    Args:
        bank: What there was.
        bought: What one run gave.
        max_age: Seconds; older parts leave the bank.

    Returns:
        All parts that are still good: young enough, and of the same calibration of the machine.
    """
    before = () if bank is None else bank.parts
    good = [part for part in before if part.calibration == bought.calibration and bought.done - part.done < max_age]
    # a distribution that is exact stands for all parts; frequencies are those of the merged counts
    return _merged([*good, replace(bought, probabilities=None)], bought)


def shortfall(group: Group, wanted: int, banked: int) -> Group:
    """What to buy for a bank: the shots that are missing, and no fewer than IonQ takes.

    Args:
        group: How they are to be executed.
        wanted: Shots.
        banked: Shots that are there.
    """
    return replace(group, shots=max(wanted - banked, DEBIASING_SHOTS if group.debiasing else 1))


def withdraw(bank: Outcome, shots: int, lot: str) -> Outcome:
    """Draw shots from the bank, each shot there at most once.

    Args:
        bank: What there is.
        shots: How many; no more than there are.
        lot: The same text draws the same shots from the same bank.

    Returns:
        What was drawn, with as much of every part as was drawn from it.
    """
    seed = int.from_bytes(sha256(f"{lot} {bank.seed} {bank.shots}".encode()).digest()[:4], "big") >> 1
    rng = np.random.default_rng(seed)
    shares = draw_without_replacement({index: part.shots for index, part in enumerate(bank.parts)}, shots, rng)
    drawn = [
        replace(
            bank.parts[index],
            states=draw_without_replacement(bank.parts[index].states, share, rng),
            shots=share,
        )
        for index, share in shares.items()
    ]
    return replace(_merged(drawn, bank), seed=seed)


def _merged(parts: Sequence[Outcome], like: Outcome) -> Outcome:
    """The parts as one outcome, in all else like another one."""
    states: Counter[int] = Counter()
    for part in parts:
        states.update(part.states)
    shots = sum(part.shots for part in parts)
    frequencies = (
        {state: count / shots for state, count in states.items()} if len(states) <= MAX_PROBABILITIES else None
    )
    return replace(
        like,
        states=dict(sorted(states.items())),
        shots=shots,
        probabilities=like.probabilities if like.is_exact else frequencies,
        parts=tuple(parts),
    )
