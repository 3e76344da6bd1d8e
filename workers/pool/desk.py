"""Where members are handed out and taken back: what is decided under the lock is carried out here, outside it.

Invariant: members are made, checked and closed by the thread that came, while it holds no lock; and no event is told
under one.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock
from typing import Generic, Literal, TypeVar

from qstore.errors import PoolClosed, PoolTimeout, TooManyRequests
from workers.pool.craft import Craft
from workers.pool.events import Events
from workers.pool.fork import in_child
from workers.pool.leaks import Leaks
from workers.pool.place import Place, Waiter
from workers.pool.places import Limits, Places
from workers.pool.stats import PoolStats

T = TypeVar("T")


class Desk(Generic[T]):
    """Hands places out, with a member fit for use in each.

    Args:
        craft: Makes, checks and closes members.
        limits: How many, and for how long.
        clock: Seconds, never going back.
        events: Hears of what happens; None: nobody does.

    Attributes:
        lock: Held for every move of `places`.
        places: Those of this process.
        leaks: Who holds what; None where nobody asked.
    """

    def __init__(
        self, craft: Craft[T], limits: Limits, clock: Callable[[], float], events: Events | None = None
    ) -> None:
        self.craft = craft
        self.clock = clock
        self.events = events
        self._limits = limits
        self._state: Literal["new", "open", "closed"] = "new"
        self._begin()
        in_child(self._begin)

    def _begin(self) -> None:
        """Begin with no members.

        In a forked child those of the parent are let go unclosed: a farewell would reach the parent's peer.
        """
        self.lock = Lock()
        self._ended = Condition(self.lock)  # after the end has begun: a member came to its own
        self.places: Places[T] = Places(self._limits)
        self.leaks: Leaks[T] | None = Leaks(self._limits.leak_after) if self._limits.leak_after else None

    def __repr__(self) -> str:
        return f"{self.craft.name!r} {self._state}, {self.places!r}"

    def stats(self) -> PoolStats:
        """What there is at this moment, and what was so far."""
        with self.lock:
            return self.places.stats(self.craft.name)

    # -- the life of the desk -------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to hand out.

        Raises:
            PoolClosed: It was closed before.
        """
        with self.lock:
            if self._state == "closed":
                raise PoolClosed(f"The pool {self!r} does not open again.")
            self._state = "open"

    def require_open(self) -> None:
        """Go on only while members are handed out.

        Raises:
            PoolClosed: They are not.
        """
        if self._state != "open":
            raise PoolClosed(f"The pool {self!r} is closed, or not open yet.")

    def close(self, timeout: float) -> bool:
        """Close what is idle, and what comes back; whether all of it is closed within so many seconds."""
        with self.lock:
            self._state = "closed"
            self.places.close()
        self.close_doomed()
        with self.lock:
            return self._ended.wait_for(self.places.empty, timeout)

    # -- out ------------------------------------------------------------------------------------------------

    def obtain(self, timeout: float) -> Place[T]:
        """A place whose member is fit for use, within so many seconds of waiting.

        Raises:
            PoolClosed: The desk is not open.
            PoolTimeout: None became free in time.
            TooManyRequests: As many threads wait as may.
        """
        try:
            with self.lock:
                if self._state != "open":
                    self.require_open()
                now = self.clock()
                turn = self.places.take(now) or self.places.queue(now)
        except TooManyRequests:
            if self.events is not None:
                self.events.tell("refused")
            raise
        place = turn if isinstance(turn, Place) else self._served(turn, timeout)
        if self.craft.check is not None or self.places.doomed:
            place = self.checked(place)
        if not place.filled:
            self.fill(place)
        if self.events is not None or self.leaks is not None:
            self._lent(place, now)
        return place

    def _served(self, waiter: Waiter[T], timeout: float) -> Place[T]:
        try:
            rung = waiter.wait(timeout)
        except BaseException:  # an interrupt
            with self.lock:
                self.places.leave(waiter, self.clock())
            if waiter.place is not None:
                self.put(waiter.place)
            raise
        if not rung:
            with self.lock:
                now = self.clock()
                left = self.places.leave(waiter, now)
            if left:
                if self.events is not None:
                    self.events.tell("timeout", seconds=now - waiter.since)
                raise PoolTimeout(f"The pool {self!r}: no member became free within {timeout:g} s.")
        if waiter.place is None:
            raise PoolClosed(f"The pool {self.craft.name!r} was closed.")
        return waiter.place

    def checked(self, place: Place[T]) -> Place[T]:
        """The same place, or an empty one where its member is not fit for use; what came to its end is closed."""
        try:
            if place.filled and not self.craft.is_fit(place.member):
                with self.lock:
                    place = self.places.replace(place)
            if self.places.doomed:
                self.close_doomed()
        except BaseException:  # an interrupt
            place.broken = True
            self.put(place)
            raise
        return place

    def fill(self, place: Place[T]) -> None:
        """Make a member in a place; what `make` raises comes out, and the place is free again."""
        began = self.clock()
        try:
            place.member = self.craft.make()
        except BaseException as error:
            with self.lock:
                place.home.tally.failures += 1
            self.put(place)
            if self.events is not None:
                self.events.tell("failed", type(error).__name__, self.clock() - began)
            raise
        with self.lock:
            place.home.filled(place, now := self.clock())
        if self.events is not None:
            self.events.tell("made", seconds=now - began)

    def _lent(self, place: Place[T], came: float) -> None:
        """Remember who has it, and tell."""
        place.lent_at = self.clock()
        if self.leaks is not None:
            self.leaks.lent(place, place.lent_at)
        if self.events is not None:
            try:
                self.events.tell("acquired", seconds=place.lent_at - came)
            except BaseException as error:  # an interrupt
                self.give_back(place, error)
                raise

    # -- back -----------------------------------------------------------------------------------------------

    def give_back(self, place: Place[T], error: BaseException | None) -> None:
        """Take a place back, and what the use of its member raised."""
        place.uses += 1
        try:
            if error is not None:
                place.errors += 1
                place.broken = True  # also where the question itself raises
                place.broken = self.craft.is_broken(error)
        finally:
            if self.leaks is not None:
                self.leaks.returned(place)
            seconds = 0.0 if self.events is None else self.clock() - place.lent_at
            self.put(place)
            if self.events is not None and place.home is self.places:
                self.events.tell("released", seconds=seconds)

    def put(self, place: Place[T]) -> None:
        """Put a place back; where it is the process's this one was forked from, it stays out."""
        with self.lock:
            places = self.places
            if place.home is places:
                places.put(place, self.clock())
                if places.closing:
                    self._ended.notify_all()
        if places.doomed:
            self.close_doomed()

    def close_doomed(self) -> None:
        """Close what came to its end."""
        places = self.places
        while places.doomed:
            try:
                place, reason = places.doomed.popleft()
            except IndexError:  # another thread closes it
                return
            try:
                self.craft.close(place.member)
            finally:
                with self.lock:
                    places.ended(reason)
                    self._ended.notify_all()
            if self.events is not None:
                self.events.tell("closed", reason)
