"""Circuits whose next asker is answered in a certain way: executed, joined or from the cache."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from celery.result import ResultSet
from redis import Redis

from integration.canvas.hold import Call, Hold, fresh
from qstore import submit_circuits

WITHIN = 30  # seconds


def ask(call: Call) -> ResultSet:
    """Submit a circuit, whatever mode Celery is in."""
    text, shots = call
    return submit_circuits([text], shots=shots)


class Source(ABC):
    """Where the next asker's answer comes from.

    Attributes:
        name: As results call it.
    """

    name: str

    @abstractmethod
    def call(self) -> Call:
        """A circuit to ask for once."""

    def calls(self, count: int) -> list[Call]:
        """As many, all different."""
        return [self.call() for _ in range(count)]

    def close(self) -> None:
        """Let everything go; most hold nothing."""
        return


class Executed(Source):
    name = "executed"

    def call(self) -> Call:
        return fresh()


class Cached(Source):
    """Circuits that were executed a moment ago, many at a time."""

    name = "cached"

    def __init__(self) -> None:
        self._stock: list[Call] = []
        self._fill()

    def call(self) -> Call:
        if not self._stock:
            self._fill()
        return self._stock.pop()

    def _fill(self) -> None:
        self._stock = [fresh() for _ in range(50)]
        for asked in [ask(call) for call in self._stock]:
            asked.get(timeout=WITHIN)


class Joined(Source):
    """Each circuit waits in its group for another asker, and leaves when somebody joined it."""

    name = "joined"

    def __init__(self, redis: Redis) -> None:
        self._hold = Hold(redis)
        self._lonely: list[Call] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def call(self) -> Call:
        call = self._hold.call()
        ask(call)
        self._lonely.append(call)
        return call

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._hold.let_go()

    def _watch(self) -> None:
        while not self._closing.wait(0.01):
            for call in list(self._lonely):
                if self._hold.waiting(call) > 1:
                    self._hold.let_go(call)
                    self._lonely.remove(call)
