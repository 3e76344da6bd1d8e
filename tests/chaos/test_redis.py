"""Redis killed and started again, in the middle of everything: what it had promised to keep it still has.

That takes `appendfsync always`: with `everysec` Redis puts writes off while the disk is busy, and about one death in
hundreds loses some that it had acknowledged.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from chaos.scoreboard import Scoreboard
from chaos.trial import Trial
from conditions import wait_until
from qstore.sandbox.redis import RedisServer


@pytest.mark.parametrize("deaths", [1, pytest.param(8, marks=pytest.mark.full)])
def test_a_redis_that_is_killed_and_started_again_costs_nobody_a_job(
    tmp_path: Path, scoreboard: Scoreboard, deaths: int
) -> None:
    with Trial(tmp_path, scoreboard, appendfsync="always") as trial:
        trial.submit(120 * deaths, 30 * deaths, pace=0.005, within=120.0)
        back = 0.0
        for death in range(1, deaths + 1):
            trial.wait_until_taken(20 * death - 10)
            trial.sandbox.redis.kill()
            trial.sandbox.redis.start()
            back = time.time()
        trial.score(f"Redis killed {deaths} x", since=back)


class Counting:
    """Counts in Redis as fast as it goes, until Redis is gone.

    Attributes:
        told: The last count Redis acknowledged.
    """

    def __init__(self, url: str, key: str) -> None:
        self.told = 0
        self._redis = Redis.from_url(url)
        self._key = key
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def busy(self) -> bool:
        """Whether it is well under way."""
        return self.told > 50

    def kept(self) -> int:
        """The count Redis has, once it is back."""
        self._thread.join()
        with self._redis as redis:
            return int(redis.get(self._key) or 0)

    def _count(self) -> None:
        try:
            while True:
                self.told = int(self._redis.incr(self._key))
        except RedisError:
            pass


@pytest.mark.full
def test_what_redis_acknowledged_survives_its_death(tmp_path: Path) -> None:
    with RedisServer(tmp_path, appendfsync="always") as server:
        for death in range(30):
            counts = [Counting(server.url, f"{death} {number}") for number in range(4)]
            for count in counts:
                wait_until(count.busy, what="counts")
            server.kill()
            server.start()
            assert all(count.kept() >= count.told for count in counts)
