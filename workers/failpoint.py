"""Named places where a chaos test lets a replica die or freeze; in production nothing is armed and nothing happens.

A setting such as `dispatch.answered=kill` arms one place once: `kill` ends the process as `kill -9` does, `stop`
freezes it as SIGSTOP does, until somebody continues it. `dispatch.answered=kill:3` spares the first two times.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from qstore.errors import InvalidSettingError

POINTS = (
    "dispatch.taken",  # runs moved into a batch record, the request not yet made
    "dispatch.begun",  # the lease renewed, about to ask for a session
    "dispatch.sending",  # connected, the body of the request not yet on the wire
    "dispatch.answered",  # IonQ took the job, the ledger does not know its id
    "dispatch.submitted",  # the ledger knows
    "collect.looked",  # the bulk read is back, nothing done about it
    "collect.read",  # results are read, nothing stored
    "settle.settled",  # outcomes are in the ledger, no job is finished
    "settle.finished",  # plain jobs are finished, woken ones and Flower not yet told
    "settle.announced",  # all is told, the record still there
)
"""Every place, in the order a batch passes them."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

Reached = Callable[[str], None]
"""Told at every place that it is reached."""


def nothing_armed(_place: str) -> None:
    """What production passes at every place."""


def armed(setting: str) -> Reached:
    """What to call at every place.

    Args:
        setting: `place=kill` or `place=stop`, with `:n` to act at the n-th time; empty for nothing.

    Raises:
        InvalidSettingError: There is no such place, or no such deed.
    """
    if not setting:
        return nothing_armed
    place, _, deed = setting.partition("=")
    name, _, times = deed.partition(":")
    if place not in POINTS or name not in _SIGNALS or not (times or "1").isdecimal():
        raise InvalidSettingError(
            f"QSTORE_FAIL_POINT={setting!r}: name one of {', '.join(POINTS)}, then =kill or =stop, then perhaps :n."
        )
    return _Armed(place, _SIGNALS[name], int(times or 1))


class _Armed:
    """Sends this process a signal the n-th time a place is reached, once."""

    def __init__(self, place: str, number: signal.Signals, times: int) -> None:
        self._place = place
        self._number = number
        self._left = times
        self._counting = threading.Lock()

    def __call__(self, place: str) -> None:
        if place != self._place:
            return
        with self._counting:
            self._left -= 1
            due = self._left == 0
        if due:
            # to this very thread: sent to the process, it would let this one run on for a moment, past the place
            signal.pthread_kill(threading.get_ident(), self._number)
