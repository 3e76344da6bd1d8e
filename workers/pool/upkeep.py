"""What is done for a pool ahead of need: old members go, idle ones are tried, missing ones are made, leaks are named.

Invariant: nobody who comes meanwhile waits for more than one check or one making, and while other members are idle for
none.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from workers.pool.desk import Desk
from workers.pool.places import Limits

T = TypeVar("T")

_CHECKERS = 8  # threads at most that check idle members

logger = logging.getLogger(__name__)


class Upkeep(Generic[T]):
    """Looks after one desk.

    Args:
        desk: Whose members.
        limits: How many, and for how long.
    """

    def __init__(self, desk: Desk[T], limits: Limits) -> None:
        self._desk = desk
        self._limits = limits

    def sweep(self) -> None:
        """Close what has been idle, or has lived, too long, and what is more than is worth keeping."""
        with self._desk.lock:
            self._desk.places.sweep(self._desk.clock())
        self._desk.close_doomed()

    def drain(self) -> None:
        """Close what is idle, and what is out or being made when it comes back."""
        with self._desk.lock:
            self._desk.places.drain()
        self._desk.close_doomed()

    def add_missing(self) -> bool:
        """Make one of the members that are to be kept warm; whether one was lacking.

        Raises:
            PoolClosed: The desk is not open.
        """
        with self._desk.lock:
            self._desk.require_open()
            place = self._desk.places.vacancy()
        if place is not None:
            self._desk.fill(place)
            self._desk.put(place)
        return place is not None

    def name_leaks(self) -> None:
        """Warn once of each member that is out for too long."""
        desk = self._desk
        if desk.leaks is None:
            return
        for holder, seconds in desk.leaks.overdue(desk.clock()):
            with desk.lock:
                desk.places.tally.leaked += 1
            logger.warning("Pool %r: a member is out for %.1f s; %s", desk.craft.name, seconds, holder)
            if desk.events is not None:
                desk.events.tell("leaked", str(holder), seconds)

    def check_idle(self) -> None:
        """Check what was neither used nor checked for `check_idle` seconds, and replace what fails.

        Several are checked at once, each taken out of the idle ones only when its turn comes, and not more than half
        of them at a time, so that the others can be lent meanwhile.
        """
        if not self._limits.check_idle:
            return
        since = self._desk.clock() - self._limits.check_idle
        with self._desk.lock:
            checkers = min(_CHECKERS, (self._desk.places.unchecked(since) + 1) // 2)
        if checkers <= 1:  # no thread for one
            self._check_those(since)
            return
        with ThreadPoolExecutor(checkers, thread_name_prefix=f"{self._desk.craft.name} check") as threads:
            checking = [threads.submit(self._check_those, since) for _ in range(checkers)]
        for each in checking:
            each.result()

    def _check_those(self, since: float) -> None:
        desk = self._desk
        while True:
            with desk.lock:
                place = desk.places.set_aside(since)
            if place is None:
                return
            place = desk.checked(place)
            if not place.filled and not desk.places.closing:
                desk.fill(place)
            place.checked_at = desk.clock()
            desk.put(place)
