"""A thread that takes turns until it is stopped.

Invariant: it does not die of what goes wrong in a turn, nor of a Redis that is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from qstore.errors import StoreUnavailableError

logger = logging.getLogger(__name__)

_AWAY = 1.0  # seconds between turns while Redis is away


class Turns:
    """Takes turns.

    Args:
        turn: Does what is to be done, and returns the seconds until the next turn is worth while.
        name: The thread's.
    """

    def __init__(self, turn: Callable[[], float], name: str) -> None:
        self._turn = turn
        self._name = name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the turn at hand.

        Args:
            timeout: Seconds to wait for it.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = self._turn()
            except StoreUnavailableError as error:
                logger.warning("%s waits for Redis: %s", self._name, error)
                pause = _AWAY
            except Exception:
                # whatever it was, what was in hand is under a lease and comes back
                logger.exception("A turn of %s failed", self._name)
                pause = _AWAY
