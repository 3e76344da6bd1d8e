"""Turns at a client that may have only so many connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from conditions import wait_until
from qstore.errors import PoolTimeout
from workers.vectors.pinecone_gate import Gate


def enter(gate: Gate) -> None:
    with gate.turn():
        pass


def test_no_more_have_a_turn_than_may() -> None:
    gate = Gate("pinecone a", 2, timeout=30)

    with ThreadPoolExecutor(1) as pool:
        with gate.turn(), gate.turn():
            third = pool.submit(enter, gate)
            wait_until(lambda: gate.stats().waiting == 1)
            stats = gate.stats()
            assert not third.done()
        third.result()

    assert (stats.size, stats.idle, stats.in_use, stats.max_size, stats.acquisitions) == (2, 0, 2, 2, 2)
    assert (gate.stats().in_use, gate.stats().waiting, gate.stats().acquisitions, gate.stats().waited) == (0, 0, 3, 1)
    assert gate.stats().wait_p50 > 0
    assert gate.stats().wait_p95 > 0


def test_a_turn_that_does_not_come_in_time_is_told() -> None:
    gate = Gate("pinecone a", 1, timeout=0.01)

    with gate.turn(), pytest.raises(PoolTimeout, match=r"pinecone a.*0\.01 s"):
        enter(gate)

    enter(gate)
    stats = gate.stats()
    assert (stats.timeouts, stats.waited, stats.waiting, stats.in_use) == (1, 0, 0, 0)


def test_a_turn_ends_with_what_is_raised_in_it() -> None:
    gate = Gate("pinecone a", 1, timeout=0.01)

    with pytest.raises(KeyError), gate.turn():
        raise KeyError

    enter(gate)
    assert gate.stats().in_use == 0
