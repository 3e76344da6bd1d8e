"""A process that forks: the child begins with an empty pool, and the parent notices nothing."""

from __future__ import annotations

import gc
import socket
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from conditions import wait_until
from forked import in_child
from qstore.errors import PoolClosed
from workers.pool import Pool
from workshop import Workshop

LONG = 30  # seconds

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def test_a_child_never_gets_a_member_of_its_parent_s(workshop: Workshop) -> None:
    pool = workshop.pool(max_size=2)
    held = pool.take()
    with pool.acquire():
        pass

    def child() -> None:
        assert pool.stats().size == pool.stats().made == 0
        with pool.acquire(timeout=0) as one, pool.acquire(timeout=0) as other:
            assert {one.number, other.number} == {2, 3}
        pool.release(held)
        assert pool.stats().size == 2
        pool.close(timeout=0)
        assert sorted(workshop.closed) == [2, 3]

    in_child(child)
    assert (pool.stats().idle, pool.stats().in_use) == (1, 1)
    pool.release(held)
    pool.close()
    assert sorted(workshop.closed) == [0, 1]


def test_a_child_born_with_a_member_in_hand_lets_it_go(workshop: Workshop) -> None:
    pool = workshop.pool()
    hand = ExitStack()
    member = hand.enter_context(pool.acquire())

    def child() -> None:
        hand.close()
        assert pool.stats().size == 0
        assert not member.closed

    in_child(child)
    hand.close()
    assert pool.stats().idle == 1


def test_a_fork_in_the_middle_of_a_decision_leaves_the_child_s_pool_usable(workshop: Workshop) -> None:
    """Threads that held the lock, or waited, at the moment of the fork do not exist in the child."""
    pool = workshop.pool(max_size=1)
    held = pool.take()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.take, LONG)
        wait_until(lambda: pool.stats().waiting, what="a thread that waits")

        def child() -> None:
            with pool.acquire(timeout=0) as member:
                assert member is not held
            assert pool.stats().waiting == 0

        with pool._desk.lock:
            in_child(child)
        pool.release(held)
        assert waiting.result(LONG) is held


def test_a_closed_pool_stays_closed_in_the_child(workshop: Workshop) -> None:
    pool = workshop.pool()
    pool.close()

    def child() -> None:
        with pytest.raises(PoolClosed):
            pool.take()

    in_child(child)


def test_the_peer_of_a_parent_s_connection_hears_nothing_from_the_child() -> None:
    *connections, peer = socket.socketpair()

    def leave(connection: socket.socket) -> None:
        connection.sendall(b"goodbye")
        connection.close()

    pool: Pool[socket.socket] = Pool(connections.pop, leave)
    pool.open()
    with pool.acquire():
        pass

    def child() -> None:
        pool.maintain()
        pool.close(timeout=0)

    in_child(child)
    peer.settimeout(0)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    with pool.acquire() as connection:
        connection.sendall(b"still here")
    pool.close()
    assert peer.recv(100) == b"still heregoodbye"
    peer.close()


def test_a_pool_is_not_kept_for_the_sake_of_children_to_come(workshop: Workshop) -> None:
    pool = workshop.pool()
    gone = weakref.ref(pool._desk)
    del pool
    gc.collect()
    assert gone() is None
    in_child(lambda: None)
