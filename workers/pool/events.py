"""What happens in a pool, told one by one to whoever asked for it.

Invariant: it is told outside the lock, by the thread to which it happened, and what the hook raises hurts nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "made", "failed", "acquired", "released", "closed", "timeout", "refused", "leaked", "fell_back"
]  # fmt: skip
"""What can happen; `PoolEvent` says when."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent:
    """Something that happened.

    Attributes:
        kind: `made` and `failed`: a member was made, or could not be; `acquired`, `released`: lent, and back again;
            `closed`; `timeout`, `refused`: a thread waited in vain, or was not let wait; `leaked`: a member is out
            for longer than `leak_after`; `fell_back`: lent from the other pool.
        pool: The pool's name.
        reason: Of `closed`: as `PoolStats.closed` has it; of `failed`: the class of what was raised; of `leaked`: who
            holds it; of `fell_back`: `timeout` or `refused`. Elsewhere empty.
        seconds: Of `made` and `failed`: it took; of `acquired` and `timeout`: it was waited for, check and making
            included; of `released` and `leaked`: it was out. Elsewhere 0.
    """

    kind: Kind
    pool: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Events:
    """Tells a hook what happens in one pool.

    Attributes:
        pool: The pool's name.
        hook: Called for each.
    """

    pool: str
    hook: Callable[[PoolEvent], object]

    def tell(self, kind: Kind, reason: str = "", seconds: float = 0.0) -> None:
        """Tell of one; `PoolEvent` says what each argument means."""
        try:
            self.hook(PoolEvent(kind=kind, pool=self.pool, reason=reason, seconds=seconds))
        except Exception:
            logger.exception("Pool %r: the hook for its events failed at %r", self.pool, kind)
