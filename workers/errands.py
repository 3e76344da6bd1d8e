"""A few threads for whatever waits on the network, so that the loop itself never does.

Invariant: an errand's work is in the ledger. One that fails is only logged: its lease runs out and it is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec

from qstore.errors import StoreUnavailableError

P = ParamSpec("P")

logger = logging.getLogger(__name__)


class Errands:
    """Runs errands and forgets them.

    Args:
        threads: How many run at a time.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="qstore-errand")

    def run(self, do: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have something done soon, by another thread."""
        errand = partial(do, *args, **kwargs)
        try:
            self._executor.submit(self._guarded, errand)
        except RuntimeError:
            # closing: an errand that asks for another does it itself, nobody else is left
            self._guarded(errand)

    def close(self) -> None:
        """Wait until every errand is run."""
        self._executor.shutdown()

    def _guarded(self, errand: Callable[[], object]) -> None:
        try:
            errand()
        except StoreUnavailableError as error:
            logger.warning("An errand waits for Redis: %s", error)
        except Exception:
            logger.exception("An errand failed")
