"""One loop in every replica over what is due: batches to look at, leases that ran out, partial batches to send."""

from __future__ import annotations

from collections.abc import Callable

from qstore.job import Batch
from qstore.state.cancellations import Cancellations
from qstore.state.ledger import Ledger, Tick
from workers.announce import Announcer, Ended
from workers.calibrate import Calibrate
from workers.collect import Collect
from workers.dispatch import Dispatch
from workers.errands import Errands
from workers.ionq import PAGE
from workers.recover import Recovery
from workers.settle import Settlement
from workers.shown import cached
from workers.turns import Turns

_SOON = 0.02  # seconds until a batch may have got out of another's way


class Loop:
    """Turns until stopped; what goes wrong in one turn is tried again in a later one.

    Args:
        ledger: Says what is due.
        dispatch: Sends batches that waited long enough.
        collect: Looks at submitted batches.
        recovery: Decides batches that died between intent and answer.
        settlement: Goes on with batches that died half finished.
        cancellations: Ends expired jobs.
        calibrate: Finds out how machines are calibrated.
        announcer: Tells Flower of jobs that wait, and of cache hits.
        errands: Run whatever waits on IonQ.
        maintain: Keeps the pools in order; called every turn.
        idle: Seconds between turns. No longer than a partial batch waits: then each is known before it has to leave.
            Looks wait for the next turn, so that many batches share a request.

    Attributes:
        turns: The thread that takes them.
    """

    def __init__(
        self,
        ledger: Ledger,
        dispatch: Dispatch,
        collect: Collect,
        recovery: Recovery,
        settlement: Settlement,
        cancellations: Cancellations,
        calibrate: Calibrate,
        announcer: Announcer,
        errands: Errands,
        maintain: Callable[[], None],
        idle: float,
    ) -> None:
        self._ledger = ledger
        self._dispatch = dispatch
        self._collect = collect
        self._recovery = recovery
        self._settlement = settlement
        self._cancellations = cancellations
        self._calibrate = calibrate
        self._announcer = announcer
        self._errands = errands
        self._maintain = maintain
        self._idle = idle
        self.turns = Turns(self.turn, "qstore-loop")

    def turn(self) -> float:
        """Set everything going that is due.

        Returns:
            Seconds until the next turn is worth while.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        tick = self._ledger.tick(PAGE)
        by_state: dict[str, list[Batch]] = {}
        for batch in tick.batches:
            by_state.setdefault(batch.state, []).append(batch)
        busy = False
        for group in tick.groups:
            batches, crowded = self._dispatch.take(group)
            busy = busy or crowded
            for batch in batches:
                self._errands.run(self._dispatch.send, batch)
        if submitted := by_state.get("submitted"):
            self._errands.run(self._collect.look, submitted)
        if intents := by_state.get("intent"):
            self._errands.run(self._recovery.decide, intents)
        for batch in by_state.get("settled", []):
            self._errands.run(self._settlement.resume, batch)
        if tick.expired:
            self._errands.run(self._cancellations.cancel, tick.expired, "expired")
        if tick.machines:
            self._errands.run(self._calibrate.renew, tick.machines)
        self._tell(tick)
        self._maintain()
        if len(tick.batches) == PAGE:
            return 0.0  # there may be more
        idle = _SOON if busy else self._idle
        return idle if tick.pause is None else min(tick.pause, idle)

    def _tell(self, tick: Tick) -> None:
        """Tell Flower of jobs that no worker holds."""
        if tick.arrivals:
            self._announcer.received(tick.arrivals)
            self._announcer.submitted(tick.latecomers)
        if tick.hits:
            self._announcer.ended([Ended(hit.job, cached(hit), hit.job.submitted_at) for hit in tick.hits])
