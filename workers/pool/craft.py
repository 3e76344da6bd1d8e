"""How one member is made, judged and closed: the caller's functions, and what becomes of what they raise.

Invariant: none of this happens under a lock, so each may take its time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Craft(Generic[T]):
    """The caller's functions; `Pool` says what each does."""

    name: str
    make: Callable[[], T]
    ending: Callable[[T], object]
    check: Callable[[T], object] | None
    is_fatal: Callable[[BaseException], bool]

    def close(self, member: T) -> None:
        """Close a member; if that fails there is nothing left to do about it."""
        try:
            self.ending(member)
        except Exception:
            logger.warning("Pool %r: a member could not be closed", self.name, exc_info=True)

    def is_fit(self, member: T) -> bool:
        """Whether a member passes its check."""
        if self.check is None:
            return True
        try:
            return self.check(member) is not False
        except Exception as error:  # noqa: BLE001 - whatever it is, the member is not fit
            logger.info("Pool %r: a member failed its check: %r", self.name, error)
            return False

    def is_broken(self, error: BaseException) -> bool:
        """Whether an exception leaves a member unusable; an interrupt does, for it may have come at any point."""
        return not isinstance(error, Exception) or self.is_fatal(error)
