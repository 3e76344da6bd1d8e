"""How many members are worth keeping warm: as many as were in use at once lately.

Invariant: what is kept is never fewer than `min_size` nor more than `max_size`.
"""

from __future__ import annotations

import math

HALF_LIFE = 60.0
"""Seconds after which a peak counts half: a burst is remembered for some minutes, and a quiet night costs nothing."""


class Demand:
    """A decaying peak.

    After `t` seconds in which at most `peak` members were in use at once,

        level = max(peak, level * 2 ** (-t / HALF_LIFE))

    and so many are kept as `level` rounds to, a half up, between the bounds. So a rise is followed at once, and of 8
    members in use at once 4 are kept a minute after they came back, 2 after two minutes, the last for five.

    Args:
        low: Members kept at least.
        high: Members kept at most.
    """

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high
        self._level = 0.0
        self._since = -math.inf

    def kept(self, peak: int, now: float) -> int:
        """Members to keep.

        Args:
            peak: Members in use at once, at most, since the last question.
            now: Seconds, never going back.
        """
        decayed = self._level * 2 ** ((self._since - now) / HALF_LIFE)
        self._level = max(float(peak), decayed)
        self._since = now
        return min(max(math.floor(self._level + 0.5), self._low), self._high)
