"""Who listens for entries of Celery's result backend in one event loop, and the one subscription that serves them all.

Invariant: a listener hears the latest entry of each of its keys, whenever that was written and whatever becomes of the
connection meanwhile. A key is read when Redis has confirmed its subscription, and again after every reconnection.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from qstore.errors import StoreUnavailableError

Ear = asyncio.Queue[tuple[bytes, bytes] | StoreUnavailableError]
"""Where a listener hears: a key and what its entry says, or that there is no more to be heard."""

CLIENT_NAME = "qstore-aio"
"""What Redis calls the connections of a listener in `CLIENT LIST`."""

_PATIENCE = 20.0  # seconds; about as long as Celery's own `get()` tries to reconnect, unless told otherwise
_QUIET = 5.0  # seconds of silence after which Redis is asked whether it is still there
_READ = 100  # entries at a time: reading them keeps the loop busy for some milliseconds
_BACKOFF = FullJitterBackoff(cap=1.0, base=0.05)  # seconds between two tries to reconnect
_DOUBLINGS = 10  # of that pause: the cap is reached by then

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Channel:
    """A key somebody listens for, and what its entry said last."""

    ears: set[Ear] = field(default_factory=set)
    latest: bytes | None = None


class Listener:
    """Hears of entries as they are written. Belongs to the event loop in which somebody listens, and ends with it.

    Args:
        url: Of Redis.
        timeout: Seconds to connect, and to wait for an answer.
        patience: Seconds Redis may be away before whoever listens is told.
    """

    def __init__(self, url: str, timeout: float, patience: float = _PATIENCE) -> None:
        self._url = url
        self._timeout = timeout
        self._patience = patience
        self._channels: dict[bytes, _Channel] = {}
        # what Redis has yet to be told and asked
        self._entered: set[bytes] = set()
        self._left: set[bytes] = set()
        self._confirmed: set[bytes] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0  # since Redis last served
        self._away_since: float | None = None  # monotonic seconds

    @contextmanager
    def listen(self, keys: Iterable[bytes]) -> Iterator[Ear]:
        """Hear the latest entry of each key, and every entry published from now on.

        Args:
            keys: Of entries; also the channels they are published on.
        """
        ear: Ear = asyncio.Queue()
        listened = set(keys)
        for key in listened:
            channel = self._channels.get(key)
            if channel is None:
                channel = self._channels[key] = _Channel()
                self._entered.add(key)
            elif channel.latest is not None:
                ear.put_nowait((key, channel.latest))
            channel.ears.add(ear)
        self._start()
        self._changed.set()
        try:
            yield ear
        finally:
            for key in listened:
                channel = self._channels[key]
                channel.ears.discard(ear)
                if not channel.ears:
                    del self._channels[key]
                    self._left.add(key)
            self._changed.set()

    async def close(self) -> None:
        """Disconnect; whoever still listens is told."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None:
            # it outlives the call that happens to be the first, and takes nothing of that call's context along
            self._task = asyncio.get_running_loop().create_task(self._run(), name=CLIENT_NAME, context=Context())
            self._task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        """Let go of the event loop, which may be ending."""
        self._task = None
        self._changed = asyncio.Event()
        self._give_up("qstore.aio is closed in this event loop.")

    async def _run(self) -> None:
        """Serve whoever listens, connected from the first of them on."""
        while True:
            while not self._channels:
                self._away_since = None  # nobody was kept waiting
                self._changed.clear()
                await self._changed.wait()
            try:
                await self._session()
            except* Exception as errors:  # noqa: BLE001 - whatever ended it, those who listen need another one
                self._lose(errors.exceptions[0])
            await asyncio.sleep(self._pause())

    async def _session(self) -> None:
        """Serve on one pair of connections, until one of them breaks."""
        self._entered = set(self._channels)
        self._left.clear()
        self._confirmed.clear()
        self._changed.set()
        client: Redis = Redis.from_url(
            self._url,
            client_name=CLIENT_NAME,
            socket_connect_timeout=self._timeout,
            socket_timeout=None,  # redis-py's may swallow a cancellation, and then this never ends: see the calls
            retry=Retry(NoBackoff(), 0),
        )
        async with client, self._connected(client) as connection, asyncio.TaskGroup() as both:
            both.create_task(self._hear(connection))
            both.create_task(self._keep_up(connection, client))

    @asynccontextmanager
    async def _connected(self, client: Redis) -> AsyncIterator[AbstractConnection]:
        """A connection to subscribe on; redis-py's own PubSub would renew it by itself, and nobody know of the gap."""
        connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own lack
        try:
            async with asyncio.timeout(self._timeout):
                await connection.connect()
            yield connection
        finally:
            await connection.disconnect(nowait=True)

    async def _hear(self, connection: AbstractConnection) -> None:
        """Take in what Redis says, and make sure that silence is not a dead connection."""
        asked = False
        for count in itertools.count(1):
            wait = self._timeout if asked else _QUIET
            told = await connection.read_response(timeout=wait, disconnect_on_error=False, push_request=True)
            if told is not None:
                asked = False
                self._take(told)
                if count % _READ == 0:
                    await asyncio.sleep(0)  # where many come at once, others have their turn in between
            elif asked:
                raise RedisConnectionError("Redis does not answer on the subscription.")
            else:
                await self._send(connection, "PING")
                asked = True

    def _take(self, told: Any) -> None:
        match told:
            case [b"subscribe", bytes(key), _] if key in self._channels:
                self._channels[key].latest = None
                self._confirmed.add(key)
                self._changed.set()
            case [b"message", bytes(key), bytes(entry)] if key in self._channels:
                _tell(key, self._channels[key], entry)

    async def _keep_up(self, connection: AbstractConnection, client: Redis) -> None:
        """Subscribe to what is listened for, and to nothing else; read what is there already."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            left, self._left = self._left - self._channels.keys(), set()
            entered, self._entered = self._entered & self._channels.keys(), set()
            confirmed, self._confirmed = list(self._confirmed & self._channels.keys()), set()
            if left:
                await self._send(connection, "UNSUBSCRIBE", *left)
            if entered:
                await self._send(connection, "SUBSCRIBE", *entered)
            for start in range(0, len(confirmed), _READ):
                keys = confirmed[start : start + _READ]
                async with asyncio.timeout(self._timeout):
                    entries = await client.mget(keys)
                self._failures, self._away_since = 0, None  # a Redis that is loading lets subscribe, and no more
                for key, entry in zip(keys, entries, strict=True):
                    channel = self._channels.get(key)
                    # what was published after the subscription is newer than what was read
                    if isinstance(entry, bytes) and channel is not None and channel.latest is None:
                        _tell(key, channel, entry)

    async def _send(self, connection: AbstractConnection, *command: str | bytes) -> None:
        async with asyncio.timeout(self._timeout):
            await connection.send_command(*command, check_health=False)

    def _pause(self) -> float:
        """Seconds until the next try; a power of two without end would overflow."""
        return _BACKOFF.compute(min(self._failures, _DOUBLINGS))

    def _lose(self, error: Exception) -> None:
        now = time.monotonic()
        self._failures += 1
        if self._away_since is None:
            self._away_since = now
            logger.warning("The connection to Redis is lost, %d jobs wait for it: %s", len(self._channels), error)
        if now - self._away_since >= self._patience:
            self._give_up(f"Redis is away for {self._patience:g} s: {error}. Check QSTORE_REDIS_URL and that it is up.")

    def _give_up(self, reason: str) -> None:
        for ear in {ear for channel in self._channels.values() for ear in channel.ears}:
            ear.put_nowait(StoreUnavailableError(f"{reason} The job goes on."))


def _tell(key: bytes, channel: _Channel, entry: bytes) -> None:
    channel.latest = entry
    for ear in channel.ears:
        ear.put_nowait((key, entry))
