"""What a forked child does first.

Invariant: it is done before any other code of the child's can run, so nothing of the parent's is ever used there.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def in_child(begin: Callable[[], None]) -> None:
    """Have a bound method called in every child forked from now on, as long as its object lives."""
    weak = weakref.WeakMethod(begin)

    def call() -> None:
        if (method := weak()) is not None:
            method()

    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(after_in_child=call)
