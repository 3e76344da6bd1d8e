"""A replica that stops finishes what it holds, and leaves nothing to its leases."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

from workers.celery import Replica
from workers.errands import Errands


def test_an_errand_asked_for_by_another_is_done_though_all_is_closing() -> None:
    errands, closing, done = Errands(1), threading.Event(), threading.Event()

    def first() -> None:
        closing.wait(30)
        while not errands._executor._shutdown:
            threading.Event().wait(0.001)
        errands.run(done.set)

    errands.run(first)
    closer = threading.Thread(target=errands.close)
    closer.start()
    closing.set()
    closer.join(30)
    assert done.is_set()


def test_bells_under_way_are_answered_before_anything_is_closed() -> None:
    seen = Mock()
    Replica.resources = seen.resources
    step: Any = Replica.__new__(Replica)
    step.stop(seen.worker)
    called = [call[0] for call in seen.mock_calls]
    assert called == ["resources.dispatch.close", "resources.loop.turns.stop", "worker.pool.stop", "resources.close"]
    assert Replica.resources is None
