"""What a pool tells of itself.

Invariant: once nothing is being made or closed, `made` is `size` and the sum of `closed`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Reason = Literal["lifetime", "idle", "uses", "errors", "check", "close", "overflow", "surplus", "drain"]
"""Why a member was closed: the limit it reached, its errors, a failed check, the end of the pool, that the rush for
which it was made is over, that fewer are worth keeping warm, or `drain`."""

_WINDOW = 1000  # waits that the percentiles cover


@dataclass(frozen=True, kw_only=True)
class PoolStats:
    """A pool at one moment; counts are since it was made, in this process.

    Attributes:
        name: The pool's.
        size: Members there are, those being made included; always `idle` + `in_use`.
        idle: Members nobody uses.
        in_use: Members in somebody's hands, or being made or checked.
        waiting: Threads that wait for one.
        min_size: Members kept, however long unused.
        max_size: Members at most, but for a rush.
        acquisitions: Times a thread got a member, or the place to make one in.
        waited: Those of them that had to wait.
        timeouts: Times a thread waited in vain.
        refused: Times a thread was turned away because too many waited.
        made: Members made.
        failures: Times a member could not be made.
        closed: Members closed, by reason.
        wait_p50: Seconds, the median of the last 1,000 waits, those in vain included; 0 where nobody waited.
        wait_p95: Seconds, 95 % of those waits were no longer.
        wait_p99: Seconds, 99 % of those waits were no longer.
        max_overflow: Members beyond `max_size` at most.
        overflow: Members beyond `max_size` there are; part of `size`.
        kept: Members kept at present, however long unused: `min_size`, or what adaptive sizing finds worth it.
        leaked: Times a member was out for longer than `leak_after`.
        fell_back: Times the other pool was asked because this one was exhausted.
    """

    name: str
    size: int
    idle: int
    in_use: int
    waiting: int
    min_size: int
    max_size: int
    acquisitions: int
    waited: int
    timeouts: int
    refused: int
    made: int
    failures: int
    closed: Mapping[Reason, int]
    wait_p50: float
    wait_p95: float
    wait_p99: float = 0.0
    max_overflow: int = 0
    overflow: int = 0
    kept: int = 0
    leaked: int = 0
    fell_back: int = 0


@dataclass(slots=True)
class Tally:
    """What a pool counts; `PoolStats` says what each means."""

    acquisitions: int = 0
    waited: int = 0
    timeouts: int = 0
    refused: int = 0
    made: int = 0
    failures: int = 0
    leaked: int = 0
    fell_back: int = 0
    closed: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(get_args(Reason), 0))
    waits: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def stats(
        self,
        name: str,
        *,
        idle: int,
        in_use: int,
        waiting: int,
        min_size: int,
        max_size: int,
        max_overflow: int = 0,
        kept: int = 0,
    ) -> PoolStats:
        """What was counted, beside what there is at this moment; `PoolStats` says what each means."""
        waits = sorted(self.waits)  # once for all three
        size = idle + in_use
        return PoolStats(
            name=name,
            size=size,
            idle=idle,
            in_use=in_use,
            waiting=waiting,
            min_size=min_size,
            max_size=max_size,
            acquisitions=self.acquisitions,
            waited=self.waited,
            timeouts=self.timeouts,
            refused=self.refused,
            made=self.made,
            failures=self.failures,
            closed=dict(self.closed),
            wait_p50=percentile(waits, 50),
            wait_p95=percentile(waits, 95),
            wait_p99=percentile(waits, 99),
            max_overflow=max_overflow,
            overflow=max(0, size - max_size),
            kept=kept,
            leaked=self.leaked,
            fell_back=self.fell_back,
        )


def percentile(values: Collection[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed; 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
