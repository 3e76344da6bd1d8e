"""A connection to PostgreSQL that never waits past a moment given, whatever the server does.

PostgreSQL's own deadline, `statement_timeout`, ends a statement and leaves the connection usable. A server that is
frozen, or silently gone, keeps no deadline; so the waiting itself ends, a little later, and the connection with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from workers.vectors.address import parts
from workers.vectors.pgvector_errors import LateError, reason

R = TypeVar("R")

_GRACE: Final = 0.5  # seconds for PostgreSQL's own deadline to be heard of first


class Connection(psycopg.Connection[TupleRow]):
    """A connection that is given a moment up to which it may wait.

    Attributes:
        born: When it was made, monotonic seconds.
        patience: Seconds it waits for one answer where no moment is given.
        ready: Whether it knows the types of pgvector.
    """

    born: float
    patience: float
    ready = False
    _until: float | None = None
    _closing: Callable[[Connection], None]

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect, and tell what came of it.

        Args:
            conninfo: As psycopg has it.
            **kwargs: As psycopg has them, and `patience`; `told`, called with why there is no connection, or with
                nothing; `closing`, called with the connection when it is closed on purpose.
        """
        patience, told, closing = (kwargs.pop(name) for name in ("patience", "told", "closing"))
        try:
            connection = super().connect(conninfo, **kwargs)
        except psycopg.Error as error:
            told(reason(error))
            raise
        told("")
        connection.born, connection.patience = time.monotonic(), patience
        connection._closing = closing  # noqa: SLF001 - its own
        return connection

    @contextmanager
    def until(self, moment: float) -> Iterator[None]:
        """Within the block, wait for nothing past a moment, monotonic seconds."""
        self._until = moment + _GRACE
        try:
            yield
        finally:
            self._until = None

    def wait(self, gen: PQGen[R], *args: Any, **kwargs: Any) -> R:
        """As psycopg's, up to the moment given.

        Raises:
            LateError: It has passed.
        """
        return super().wait(self._watched(gen), *args, **kwargs)

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self._closing(self)
        super().close()

    def _watched(self, gen: PQGen[R]) -> PQGen[R]:
        until = time.monotonic() + self.patience if self._until is None else self._until
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted  # psycopg comes back every 0.1 s, with nothing if need be
                if time.monotonic() > until:
                    self.pgconn.finish()
                    raise LateError("no answer in time")
                wanted = gen.send(ready)
        except StopIteration as stop:
            result: R = stop.value
            return result


def parameters(url: str, timeout: float) -> dict[str, str]:
    """What libpq connects with: what the URL says, and deadlines of so many seconds.

    Raises:
        ValueError: The URL cannot be read; nothing of it is shown.
    """
    given = parts(url)
    seconds = str(max(1, math.ceil(timeout)))
    milliseconds = max(1, round(timeout * 1000))
    defaults = {
        "application_name": "qstore",
        "connect_timeout": seconds,
        # a peer that vanished is noticed while a request is under way, and while none is
        "tcp_user_timeout": str(milliseconds),
        "keepalives_idle": seconds,
        "keepalives_interval": str(max(1, math.ceil(timeout / 3))),
        "keepalives_count": "3",
    }
    options = [
        "-c hnsw.iterative_scan=strict_order",  # a filter that few pass is no reason to stop looking
        "-c hnsw.ef_search=100",
        "-c plan_cache_mode=force_custom_plan",  # which index is best depends on the filter
        given.get("options", ""),
        f"-c statement_timeout={milliseconds}",
    ]
    return {**defaults, **given, "options": " ".join(filter(None, options)), "client_encoding": "UTF8"}
