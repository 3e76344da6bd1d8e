"""Where members are handed out and taken back: what is decided under the lock is carried out here, outside it.

Invariant: members are made, checked and closed by the thread that came, while it holds no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock
from typing import Generic, Literal, TypeVar

from qstore.errors import PoolClosed, PoolTimeout
from workers.pool.craft import Craft
from workers.pool.fork import in_child
from workers.pool.places import Limits, Place, Places, Waiter
from workers.pool.stats import PoolStats

T = TypeVar("T")


class Desk(Generic[T]):
    """Hands places out, with a member fit for use in each.

    Args:
        craft: Makes, checks and closes members.
        limits: How many, and for how long.
        clock: Seconds, never going back.
    """

    def __init__(self, craft: Craft[T], limits: Limits, clock: Callable[[], float]) -> None:
        self._craft = craft
        self._limits = limits
        self._clock = clock
        self._state: Literal["new", "open", "closed"] = "new"
        self._begin()
        in_child(self._begin)

    def _begin(self) -> None:
        """Begin with no members.

        In a forked child those of the parent are let go unclosed: a farewell would reach the parent's peer.
        """
        self._lock = Lock()
        self._ended = Condition(self._lock)  # a member came to its end
        self._places: Places[T] = Places(self._limits)

    def __repr__(self) -> str:
        return f"{self._craft.name!r} {self._state}, {self._places!r}"

    def stats(self) -> PoolStats:
        """What there is at this moment, and what was so far."""
        with self._lock:
            return self._places.stats(self._craft.name)

    # -- the life of the desk -------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to hand out.

        Raises:
            PoolClosed: It was closed before.
        """
        with self._lock:
            if self._state == "closed":
                raise PoolClosed(f"The pool {self!r} does not open again.")
            self._state = "open"

    def add_missing(self) -> bool:
        """Make one of the members that `min_size` lacks; whether one was lacking.

        Raises:
            PoolClosed: The desk is not open.
        """
        with self._lock:
            self._require_open()
            place = self._places.vacancy()
        if place is not None:
            self._put(self._filled(place))
        return place is not None

    def sweep(self) -> None:
        """Close what has been idle, or has lived, too long."""
        with self._lock:
            self._places.sweep(self._clock())
        self._close_doomed()

    def close(self, timeout: float) -> bool:
        """Close what is idle, and what comes back; whether all of it is closed within so many seconds."""
        with self._lock:
            self._state = "closed"
            self._places.close(f"The pool {self._craft.name!r} was closed.")
        self._close_doomed()
        with self._lock:
            return self._ended.wait_for(self._places.empty, timeout)

    def _require_open(self) -> None:
        if self._state != "open":
            raise PoolClosed(f"The pool {self!r} is closed, or not open yet.")

    # -- out ------------------------------------------------------------------------------------------------

    def obtain(self, timeout: float) -> Place[T]:
        """A place whose member is fit for use, within so many seconds of waiting.

        Raises:
            PoolClosed: The desk is not open.
            PoolTimeout: None became free in time.
            TooManyRequests: As many threads wait as may.
        """
        with self._lock:
            self._require_open()
            now = self._clock()
            turn = self._places.take(now) or self._places.queue(now)
        place = turn if isinstance(turn, Place) else self._served(turn, timeout)
        if self._places.doomed:
            self._close_doomed()
        if place.filled:
            place = self._checked(place)
        return place if place.filled else self._filled(place)

    def _served(self, waiter: Waiter[T], timeout: float) -> Place[T]:
        try:
            return waiter.result(timeout)
        except PoolClosed:
            raise
        except BaseException as error:
            with self._lock:
                left = self._places.leave(waiter, self._clock())
            if isinstance(error, TimeoutError):
                if left:
                    raise PoolTimeout(f"The pool {self!r}: no member became free within {timeout:g} s.") from None
                return waiter.result()
            if not left:  # interrupted with a place in hand
                self._put(waiter.result())
            raise

    def _checked(self, place: Place[T]) -> Place[T]:
        """The same place, or an empty one where its member is not fit for use."""
        try:
            if self._craft.is_fit(place.member):
                return place
        except BaseException as error:
            self.give_back(place, error)
            raise
        with self._lock:
            place = self._places.replace(place)
        self._close_doomed()
        return place

    def _filled(self, place: Place[T]) -> Place[T]:
        try:
            place.member = self._craft.make()
        except BaseException:
            with self._lock:
                place.home.tally.failures += 1
            self._put(place)
            raise
        with self._lock:
            place.home.filled(place, self._clock())
        return place

    # -- back -----------------------------------------------------------------------------------------------

    def give_back(self, place: Place[T], error: BaseException | None) -> None:
        """Take a place back, and what the use of its member raised."""
        place.uses += 1
        try:
            if error is not None:
                place.errors += 1
                place.broken = True  # also where the question itself raises
                place.broken = self._craft.is_broken(error)
        finally:
            self._put(place)

    def _put(self, place: Place[T]) -> None:
        with self._lock:
            if place.home is self._places:  # else it is the parent's
                self._places.put(place, self._clock())
                self._ended.notify_all()
        if self._places.doomed:
            self._close_doomed()

    def _close_doomed(self) -> None:
        places = self._places
        while places.doomed:
            try:
                place, reason = places.doomed.popleft()
            except IndexError:  # another thread closes it
                return
            try:
                self._craft.close(place.member)
            finally:
                with self._lock:
                    places.ended(reason)
                    self._ended.notify_all()
