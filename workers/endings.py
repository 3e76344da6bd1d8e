"""How each run of a batch ends: with its outcome, with what that adds up to in its bank, or with an error.

The invariant: what is bought for a bank is added to what is there, and nobody is given fewer shots than they want: for
who wants more, the run goes again for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qstore.answer import to_answer
from qstore.bank import deposit, shortfall
from qstore.errors import QstoreError
from qstore.job import Run
from qstore.outcome import Outcome
from qstore.state.ending import Banked, Ending
from qstore.state.ledger import Ledger


class Endings:
    """Says how runs end.

    Args:
        ledger: Knows what is banked.
        result_ttl: Seconds after which shots leave their bank.
    """

    def __init__(self, ledger: Ledger, result_ttl: float) -> None:
        self._ledger = ledger
        self._result_ttl = result_ttl

    def of(self, runs: Sequence[Run], outcomes: Sequence[Outcome | QstoreError]) -> list[Ending]:
        """How runs end that gave these outcomes, each in its place.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        into_banks = [
            run.run_id
            for run, outcome in zip(runs, outcomes, strict=True)
            if run.bank is not None and isinstance(outcome, Outcome)
        ]
        banked = dict(zip(into_banks, self._ledger.banked(into_banks), strict=True))
        return [
            failed(outcome)
            if isinstance(outcome, QstoreError)
            else self._deposited(run, outcome, banked[run.run_id])
            if run.run_id in banked
            else _ending(outcome)
            for run, outcome in zip(runs, outcomes, strict=True)
        ]

    def _deposited(self, run: Run, bought: Outcome, there: Banked) -> Ending:
        before = Outcome.from_json(there.outcome) if there.outcome else None
        bank = deposit(before, bought, self._result_ttl)
        again = None
        if there.wanted > bank.shots:
            # where nothing stays banked, for want of room or time, only all of it at once will do
            kept = 0 if before is None and run.bank else bank.shots
            again = replace(run, group=shortfall(run.group, there.wanted, kept), bank=kept)
        prices = [part.usd for part in bank.parts if part.usd is not None]
        usd = sum(prices) if len(prices) == len(bank.parts) else None
        return replace(_ending(bank), usd=usd, bank=True, again=again, executed=bought.to_json())


def failed(error: QstoreError) -> Ending:
    """How a run ends that gave nothing."""
    return Ending(to_answer(error), cacheable=False)


def recalled(outcome: Outcome, now: float) -> Ending:
    """How a run ends whose outcome the archive knew.

    Args:
        outcome: That one.
        now: Epoch seconds.
    """
    return replace(_ending(outcome), executed="", age=max(0.0, now - outcome.done))


def _ending(outcome: Outcome) -> Ending:
    text = outcome.to_json()
    return Ending(text, usd=outcome.usd, calibration=outcome.calibration, shots=outcome.shots, executed=text)
