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
from qstore.state.ending import Ending
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
        bought = {
            run.run_id: outcome
            for run, outcome in zip(runs, outcomes, strict=True)
            if run.bank and isinstance(outcome, Outcome)
        }
        banked = dict(zip(bought, self._ledger.banked(list(bought)), strict=True))
        endings = []
        for run, outcome in zip(runs, outcomes, strict=True):
            if isinstance(outcome, QstoreError):
                endings.append(failed(outcome))
            elif run.bank:
                before = banked[run.run_id]
                bank = Outcome.from_json(before.outcome) if before.outcome else None
                endings.append(_deposited(run, deposit(bank, outcome, self._result_ttl), before.wanted))
            else:
                endings.append(_ending(outcome))
        return endings


def failed(error: QstoreError) -> Ending:
    """How a run ends that gave nothing."""
    return Ending(to_answer(error), cacheable=False)


def _ending(outcome: Outcome) -> Ending:
    return Ending(outcome.to_json(), usd=outcome.usd, calibration=outcome.calibration, shots=outcome.shots)


def _deposited(run: Run, bank: Outcome, wanted: int) -> Ending:
    prices = [part.usd for part in bank.parts if part.usd is not None]
    again = replace(run, group=shortfall(run.group, wanted, bank.shots)) if wanted > bank.shots else None
    return replace(_ending(bank), usd=sum(prices) if len(prices) == len(bank.parts) else None, bank=True, again=again)
