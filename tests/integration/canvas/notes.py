"""What tasks at the worker write down for a test to read."""

from __future__ import annotations

import secrets

from redis import Redis

from conditions import wait_until


class Notes:
    """What tasks at the worker wrote down.

    Attributes:
        key: Under which they do.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.key = f"notes-{secrets.token_hex(4)}"

    def read(self, count: int = 1) -> list[str]:
        """All notes, once there are so many."""
        wait_until(lambda: self._redis.llen(self.key) >= count, what=f"{count} notes")
        return [str(each) for each in self._redis.lrange(self.key, 0, -1)]
