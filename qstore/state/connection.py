"""The door to Redis: one client with deadlines, Lua scripts by name, and the driver's errors in our own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from qstore.errors import StoreUnavailableError

if TYPE_CHECKING:
    from redis.client import Pipeline

_INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)

Argument = str | bytes | int | float
Call = tuple[Sequence[str], Sequence[Argument]]  # KEYS and ARGV of one script


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever the driver raises into `StoreUnavailableError`.

    Redis answering with an error (out of memory, read-only replica, still loading) is as final for the
    call as no answer, and as no free connection; its own words are kept.
    """
    try:
        yield
    except RedisError as error:
        raise StoreUnavailableError(
            f"Redis does not serve the shared state: {error}. Check QSTORE_REDIS_URL and that Redis is up; where many "
            "threads share few connections, raise QSTORE_REDIS_POOL_MAX_SIZE."
        ) from error


@cache
def _source(name: str) -> str:
    """A script, each of its `-- include <name>` lines replaced by that file of `lua/include/`."""
    return _INCLUDE.sub(lambda line: _file("include", line[1]), _file(name))


def _file(*path: str) -> str:
    return files("qstore.state").joinpath("lua", *path[:-1], f"{path[-1]}.lua").read_text(encoding="utf-8")


class Connection:
    """A pooled Redis client; connects on first use.

    Args:
        url: Of Redis.
        timeout: Seconds to connect, to wait for an answer, and to wait for a free connection: each.
        max_size: Connections at most.
    """

    def __init__(self, url: str, timeout: float, max_size: int = 50) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=max_size,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # no retries: a script whose answer was lost may have run, and must not run twice unasked
            retry=Retry(NoBackoff(), 0),
        )
        self.client: redis.Redis = redis.Redis.from_pool(pool)
        self._digests: dict[str, str] = {}

    def call(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run one Lua script in one trip.

        Args:
            script: Its file's name under `lua/`, without the ending.
            keys: KEYS of the script.
            args: ARGV of the script.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        return self.call_many(script, [(keys, args)])[0]

    def call_many(self, script: str, calls: Sequence[Call]) -> list[Any]:
        """Run one Lua script once per call, all in one trip; no calls, no trip.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if not calls:
            return []
        with translated():
            answers = self._evaluate(script, calls)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                # Redis is new to the script, so none of the calls ran
                self.client.script_load(_source(script))
                answers = self._evaluate(script, calls)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return answers

    def _evaluate(self, script: str, calls: Sequence[Call]) -> list[Any]:
        digest = self._digests.get(script)
        if digest is None:
            digest = self._digests[script] = str(self.client.script_load(_source(script)))
        if len(calls) == 1:
            keys, args = calls[0]
            # what `evalsha` does, less its wrappers, which show on the hot path
            command = ("EVALSHA", digest, len(keys), *keys, *args)
            try:
                return [self.client.execute_command(*command)]  # type: ignore[no-untyped-call]  # redis-py's own lack
            except NoScriptError as error:
                return [error]
        pipe = self.pipeline()
        for keys, args in calls:
            pipe.evalsha(digest, len(keys), *keys, *args)
        return list(pipe.execute(raise_on_error=False))

    def hash_field(self, key: str, field: str) -> str:
        """A field of a hash, empty where there is none.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            value = self.client.hget(key, field)
        return value.decode() if isinstance(value, bytes) else ""

    def set_size(self, key: str) -> int:
        """Members of a sorted set.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            return int(self.client.zcard(key))

    def number(self, key: str) -> int:
        """A counter, 0 where there is none.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            value = self.client.get(key)
        return int(value) if isinstance(value, bytes) else 0

    def pipeline(self) -> Pipeline:
        """Commands sent in one trip, without a transaction."""
        return self.client.pipeline(transaction=False)

    def close(self) -> None:
        """Close every pooled connection."""
        self.client.close()
