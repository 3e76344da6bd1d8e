"""What happens in a forked child."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

_LONG = 30  # seconds


def in_child(act: Callable[[], object]) -> None:
    """Do something in a forked child, and fail where it fails there or hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(_LONG)
        try:
            act()
        except BaseException:  # noqa: BLE001 - the status is all a child can say
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
