"""psycopg_pool as this house uses it: opened when first used, in every process anew, and heard in the house's errors.

Invariant: no call takes longer than the wait for a connection and the wait for an answer may; a connection that the
server had closed meanwhile costs its caller nothing but time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock
from typing import Final, Literal, TypeAlias, TypeVar

import psycopg
import psycopg_pool
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from qstore.errors import PoolClosed, PoolTimeout, TooManyRequests, VectorStoreUnavailableError
from workers.pool import PoolStats
from workers.pool.fork import in_child
from workers.vectors.address import masked
from workers.vectors.pgvector_connection import Connection, parameters
from workers.vectors.pgvector_counts import Counts
from workers.vectors.pgvector_errors import heard, reason
from workers.vectors.pgvector_extension import LOOK, prepare

R = TypeVar("R")

_Pool: TypeAlias = psycopg_pool.ConnectionPool[Connection]

Check = Literal["off", "ping", "query", "both"]
"""How a connection is tried before it is lent: not, by an empty statement, by a look at pgvector, or by both."""

_AGED: Final = 0.95  # of `max_lifetime`: psycopg_pool replaces connections between this and the whole
_RECONNECT: Final = 2.0  # seconds after which an attempt to connect is begun anew, its pauses short again


class PgvectorPool:
    """Connections to one PostgreSQL.

    Args:
        name: For messages and stats.
        url: Of PostgreSQL.
        timeout: Seconds to connect, and to wait for an answer.
        min_size: Connections kept, however long unused.
        max_size: Connections at most.
        pool_timeout: Seconds to wait for a free connection.
        max_waiting: Threads that may wait; 0: any number.
        max_lifetime: Seconds after which a connection is replaced, up to 5 % less.
        max_idle: Seconds after which an unused one is closed.
        check: How one is tried before it is lent.

    Raises:
        ValueError: The URL cannot be read, or the sizes contradict each other.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout: float,
        min_size: int,
        max_size: int,
        pool_timeout: float,
        max_waiting: int,
        max_lifetime: float,
        max_idle: float,
        check: Check,
    ) -> None:
        self.name = name
        self._where = masked(url)
        self._url = make_conninfo(**parameters(url, timeout))
        self._timeout = timeout
        self._min_size = min_size
        self._max_size = max_size
        self._pool_timeout = pool_timeout
        self._max_waiting = max_waiting
        self._max_lifetime = max_lifetime
        self._max_idle = max_idle
        self._check = check
        self._pool: _Pool | None = None
        self._closed = False
        self._drained = 0.0  # when connections were last renewed, monotonic seconds
        self._parents: list[object] = []  # pools from before a fork; not even closed, for they are the parents' own
        self._begin()
        self._make()  # which has no thread and no connection yet, but says what is wrong with the sizes
        in_child(self._begin)

    def __repr__(self) -> str:
        return f"PostgreSQL ({self.name}: {self._where})"

    def run(self, work: Callable[[Connection], R], instead: PgvectorPool | None = None) -> R:
        """Do something that may be done twice with a connection, in autocommit mode, which knows pgvector's types.

        Args:
            work: What is done.
            instead: Where it is done if there is no connection to be had here; each is waited for half as long then.

        Raises:
            VectorStoreUnavailableError: PostgreSQL did not answer in time; whether it did the work is not known.
            VectorStoreRefusedError: It does not take this.
            PoolTimeout: No connection became free in time; nothing was sent.
            TooManyRequests: As many threads wait for one as may; nothing was sent.
            PoolClosed: The pool is closed.
        """
        patience = self._pool_timeout / (1 if instead is None else 2)
        try:
            pool, connection = self._acquire(patience)
        except (PoolTimeout, TooManyRequests, VectorStoreUnavailableError):
            if instead is None:
                raise
            self._counts.fell_back()
            return instead._run(work, *instead._acquire(patience))  # noqa: SLF001 - its own kind
        return self._run(work, pool, connection)

    def stats(self) -> PoolStats:
        """The pool at this moment."""
        found = self._pool.get_stats() if self._pool else {}
        return self._counts.stats(self.name, self._min_size, self._max_size, found)

    def close(self, timeout: float = 5.0) -> None:
        """Close every connection, one in use when it comes back.

        Args:
            timeout: Seconds to wait for the pool's own threads.
        """
        with self._lock:
            self._closed = True
            pool = self._pool
        if pool is not None:
            pool.close(timeout)

    # -- one connection -------------------------------------------------------------------------------------

    def _run(self, work: Callable[[Connection], R], pool: _Pool, connection: Connection) -> R:
        until = time.monotonic() + self._timeout
        try:
            return self._use(work, pool, connection, until)
        except psycopg.Error as error:
            if not connection.broken or time.monotonic() > until:
                raise heard(error, repr(self)) from error
            lost = error
        try:  # the server had closed it: a fresh one, once
            return self._use(work, *self._acquire(until - time.monotonic()), until)
        except psycopg.Error as error:
            raise heard(error, repr(self)) from error
        except (PoolTimeout, TooManyRequests, VectorStoreUnavailableError) as error:
            raise heard(lost, repr(self)) from error  # it was sent once, so "nothing was sent" would be wrong

    def _use(self, work: Callable[[Connection], R], pool: _Pool, connection: Connection, until: float) -> R:
        try:
            with connection.until(until):
                if not connection.ready:
                    prepare(connection, repr(self))
                return work(connection)
        except psycopg.Error as error:
            if connection.broken:
                self._renew(connection, error)
            raise
        finally:
            pool.putconn(connection)

    def _acquire(self, patience: float) -> tuple[_Pool, Connection]:
        pool = self._open()
        began = time.monotonic()
        while True:
            connection = self._wait(pool, began + patience - time.monotonic())
            try:
                with connection.until(min(began + patience, time.monotonic() + self._timeout)):
                    self._try(connection)
            except psycopg.Error as error:
                self._counts.closed("check")
                self._renew(connection, error)
                connection.pgconn.finish()
                pool.putconn(connection)
            except BaseException:  # an interrupt, or a task's time limit
                pool.putconn(connection)
                raise
            else:
                self._counts.acquired(time.monotonic() - began)
                return pool, connection

    def _wait(self, pool: _Pool, patience: float) -> Connection:
        # psycopg_pool's own `max_waiting` counts those as well that have long given up
        crowded = bool(self._max_waiting) and self._counts.waiting >= self._max_waiting
        if crowded and not pool.get_stats()["pool_available"]:
            self._counts.refused()
            raise TooManyRequests(f"{self._max_waiting} threads wait for {self!r} already.")
        try:
            with self._counts.one_waiting():
                return pool.getconn(patience)
        except psycopg_pool.PoolTimeout as error:
            self._counts.timed_out(max(patience, 0.0))
            if self._failure:
                raise VectorStoreUnavailableError(f"{self!r} does not answer: {self._failure}") from error
            raise PoolTimeout(f"No connection of {self!r} became free in time.") from error
        except psycopg_pool.PoolClosed as error:
            raise PoolClosed(f"{self!r} is closed.") from error

    def _try(self, connection: Connection) -> None:
        if self._check in ("ping", "both"):
            _Pool.check_connection(connection)
        if self._check in ("query", "both") and connection.ready:
            connection.execute(LOOK)

    def _renew(self, connection: Connection, error: psycopg.Error) -> None:
        """Have every connection as old as this broken one replaced: what ended it most likely ended them."""
        with self._lock:
            self._hear(reason(error))
            if self._pool is not None and connection.born > self._drained:
                self._drained = time.monotonic()
                self._pool.drain()

    # -- the pool itself ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._pool is not None:
            self._parents.append(self._pool)
        self._pool = None
        self._lock = RLock()
        self._counts = Counts()
        self._failure = ""  # why there is no connection, since there last was one

    def _open(self) -> _Pool:
        with self._lock:
            if self._closed:
                raise PoolClosed(f"{self!r} is closed.")
            if self._pool is None:
                self._pool = self._make()
                self._pool.open()
            return self._pool

    def _make(self) -> _Pool:
        return _Pool(
            self._url,
            connection_class=Connection,
            kwargs={"autocommit": True, "patience": self._timeout, "told": self._hear, "closing": self._closing},
            min_size=self._min_size,
            max_size=self._max_size,
            open=False,
            name=self.name,
            timeout=self._pool_timeout,
            max_lifetime=self._max_lifetime,
            max_idle=self._max_idle,
            reconnect_timeout=_RECONNECT,
            reconnect_failed=self._reconnect,
            num_workers=2,
        )

    def _hear(self, failure: str) -> None:
        self._failure = failure

    def _reconnect(self, pool: _Pool) -> None:
        """Go on connecting as long as somebody waits."""
        if self._counts.waiting:
            pool.check()  # which grows a pool that has nothing idle

    def _closing(self, connection: Connection) -> None:
        """Count a connection that psycopg_pool closes; it does not say on which ground."""
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            return  # somebody left it in the middle of something; it counts as broken
        with self._lock:
            if self._closed:
                self._counts.closed("close")
            elif connection.born <= self._drained:
                self._counts.closed("drain")
            elif time.monotonic() - connection.born >= _AGED * self._max_lifetime:
                self._counts.closed("lifetime")
            else:
                self._counts.closed("idle")
