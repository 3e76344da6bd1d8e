"""One thread looks after any number of pools."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from conditions import wait_until
from forked import in_child
from workers.pool import Maintenance
from workshop import Workshop

LONG = 30  # seconds; nothing here takes that long unless it fails
SOON = 0.01  # seconds between rounds


class Watched:
    """Counts the rounds; fails where the test says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.rounds = 0
        self.error = error
        self.thread: threading.Thread | None = None

    def maintain(self) -> None:
        self.rounds += 1
        self.thread = threading.current_thread()
        if self.error is not None:
            raise self.error


def test_its_thread_starts_with_the_first_pool_and_serves_all() -> None:
    maintenance = Maintenance(SOON, "the only one")
    assert "idle, 0 watched" in repr(maintenance)
    first, second = Watched(), Watched()
    for pool in (first, second, first):
        maintenance.watch(pool)
    wait_until(lambda: first.rounds > 2 and second.rounds > 2, what="some rounds")
    assert "running, 2 watched" in repr(maintenance)
    assert [thread.name for thread in threading.enumerate()].count("the only one") == 1
    assert first.thread is second.thread
    assert first.thread is not None
    assert (first.thread.name, first.thread.daemon) == ("the only one", True)
    maintenance.close()
    assert not first.thread.is_alive()
    assert "closed, 0 watched" in repr(maintenance)


def test_one_that_fails_hurts_no_other(caplog: pytest.LogCaptureFixture) -> None:
    maintenance = Maintenance(SOON)
    bad, good = Watched(LookupError("not today")), Watched()
    maintenance.watch(bad)
    maintenance.watch(good)
    wait_until(lambda: bad.rounds > 2 and good.rounds > 2, what="some rounds of both")
    maintenance.close()
    assert "not today" in caplog.text


def test_what_is_forgotten_is_left_alone() -> None:
    maintenance = Maintenance(SOON)
    gone, kept = Watched(), Watched()
    maintenance.watch(gone)
    maintenance.watch(kept)
    wait_until(lambda: gone.rounds and kept.rounds, what="a round")
    maintenance.forget(gone)
    before = kept.rounds
    wait_until(lambda: kept.rounds > before + 1, what="the end of a round that may be under way")
    rounds, before = gone.rounds, kept.rounds
    wait_until(lambda: kept.rounds > before + 2, what="more rounds")
    assert gone.rounds == rounds
    maintenance.close()


def test_after_its_end_it_starts_no_more() -> None:
    maintenance = Maintenance(SOON)
    maintenance.close()
    maintenance.watch(Watched())
    assert maintenance._thread is None


def test_it_keeps_nothing_alive() -> None:
    maintenance = Maintenance(SOON)

    def watch_for_a_while() -> weakref.ref[Watched]:
        pool = Watched()
        maintenance.watch(pool)
        wait_until(lambda: pool.rounds, what="a round")
        return weakref.ref(pool)

    gone = watch_for_a_while()
    wait_until(lambda: gc.collect() >= 0 and gone() is None, what="its end")
    maintenance.close()


def test_no_pause_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="rest"):
        Maintenance(0)


def test_a_pool_that_asks_for_it_is_kept_in_order_and_in_the_end_left_alone(workshop: Workshop) -> None:
    maintenance = Maintenance(SOON)
    with workshop.pool(min_size=2, maintenance=maintenance) as pool:
        wait_until(lambda: pool.stats().idle == 2, what="members that nobody asked for")
        assert "1 watched" in repr(maintenance)
    assert "0 watched" in repr(maintenance)
    maintenance.close()


def test_a_pool_that_was_closed_is_forgotten_without_a_word(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    maintenance = Maintenance(SOON)
    pool = workshop.pool()
    pool.close()
    maintenance.watch(pool)
    wait_until(lambda: "0 watched" in repr(maintenance), what="the pool to be forgotten")
    maintenance.close()
    assert not caplog.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_uses_the_pool_has_a_thread_of_its_own(workshop: Workshop) -> None:
    maintenance = Maintenance(SOON)
    pool = workshop.pool(min_size=2, maintenance=maintenance)
    wait_until(lambda: pool.stats().idle == 2, what="maintenance in the parent")

    def child() -> None:
        assert maintenance._thread is None, "nothing has been used yet"
        with pool.acquire():
            pass
        wait_until(lambda: pool.stats().idle == 2, what="maintenance in the child")
        pool.close()
        maintenance.close()

    with maintenance._lock:  # as if the thread held it at the moment of the fork
        in_child(child)
    pool.close()
    maintenance.close()
