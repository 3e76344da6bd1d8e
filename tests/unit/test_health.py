"""`qstore health`, with stand-ins for Redis and for Celery's remote control."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from celery import Celery
from click.testing import CliRunner, Result
from kombu.exceptions import OperationalError

import qstore.health
from conditions import free_port
from qstore.app import app, settings
from qstore.cli import main
from qstore.health import survey
from qstore.state.connection import Connection

POOL = {"name": "IonQ", "in_use": 1, "size": 2, "max_size": 4, "waiting": 5, "timeouts": 6, "leaked": 7}
WELL = {"part": "Redis", "ok": True, "state": "ok", "seconds": 0.0015, "error": "", "pools": []}
IONQ = {"part": "IonQ", "ok": True, "state": "ok", "seconds": 0.25, "error": "", "pools": [POOL]}
DOWN = {**IONQ, "ok": False, "state": "down", "error": "IonQ does not answer"}
FOREIGN = {"error": "KeyError('qstore_health')"}


def told(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"ok": all(part["ok"] for part in parts), "parts": list(parts)}


class Workers:
    """Celery's remote control: who is there, and what each of them tells."""

    def __init__(self, there: list[str] | Exception, answers: dict[str, Any] | None = None) -> None:
        self.control = self
        self.there = there
        self.answers = answers or {}
        self.asked: dict[str, Any] = {}

    def ping(self, timeout: float) -> list[dict[str, Any]]:
        assert timeout > 0
        if isinstance(self.there, Exception):
            raise self.there
        return [{name: {"ok": "pong"}} for name in self.there]

    def broadcast(self, command: str, **options: Any) -> list[dict[str, Any]]:
        self.asked = {"command": command, **options}
        return [{name: answer} for name, answer in self.answers.items()]


class Redis:
    """Answers."""

    client = cast("Any", None)

    def ping(self) -> bool:
        return True


@pytest.fixture
def connection() -> Connection:
    there = Redis()
    there.client = there
    return cast("Connection", there)


@pytest.fixture
def gone() -> Iterator[Connection]:
    """To a Redis that is not there."""
    opened = Connection(f"redis://:s3cret@127.0.0.1:{free_port()}/0", timeout=5.0)
    yield opened
    opened.close()


def found(workers: Workers, connection: Connection, timeout: float = 3.0) -> dict[str, Any]:
    return survey(cast("Celery", workers), connection, timeout)


def test_all_is_well_where_every_replica_says_so(connection: Connection) -> None:
    workers = Workers(["b", "a"], {"b": told(WELL), "a": told(WELL, IONQ)})

    everything = found(workers, connection)

    assert everything["ok"] is True
    assert everything["problems"] == []
    assert everything["redis"]["ok"] is True
    assert list(everything["replicas"]) == ["a", "b"]
    assert everything["replicas"]["a"] == told(WELL, IONQ)
    assert json.loads(json.dumps(everything)) == everything


def test_exactly_those_who_are_there_are_asked_and_waited_for(connection: Connection) -> None:
    found(workers := Workers(["a", "b"]), connection, timeout=4.0)

    assert workers.asked["command"] == "qstore_health"
    assert workers.asked["arguments"] == {"timeout": 4.0}
    assert workers.asked["destination"] == ["a", "b"]
    assert workers.asked["limit"] == 2
    assert workers.asked["timeout"] > 4.0


def test_whatever_is_not_well_is_a_line(connection: Connection) -> None:
    answers = {"a": told(WELL, DOWN), "b": told(WELL), "d": {"ok": False, "parts": []}, "e": {"error": "TypeError()"}}

    everything = found(Workers(["a", "b", "c", "d", "e"], answers), connection)

    assert everything["ok"] is False
    assert everything["problems"] == [
        "a: IonQ down: IonQ does not answer",
        "c: no answer",
        "d: is stopping, or has just begun",
        "e: TypeError()",
    ]
    assert everything["replicas"]["c"] is None


def test_no_replica_is_not_well(connection: Connection) -> None:
    assert found(Workers([]), connection)["problems"] == ["no replica answers"]


def test_workers_of_something_else_are_no_replicas(connection: Connection) -> None:
    everything = found(Workers(["a", "b"], {"a": told(WELL), "b": FOREIGN}), connection)
    assert everything["ok"] is True
    assert list(everything["replicas"]) == ["a"]

    assert found(Workers(["b"], {"b": FOREIGN}), connection)["problems"] == ["no replica answers"]


def test_without_redis_nobody_else_is_asked(gone: Connection) -> None:
    everything = found(workers := Workers(["a"]), gone)

    (line,) = everything["problems"]
    assert "Check QSTORE_REDIS_URL" in line
    assert "s3cret" not in json.dumps(everything)
    assert everything["redis"]["ok"] is False
    assert workers.asked == {}


def test_redis_may_go_while_replicas_are_asked(connection: Connection) -> None:
    everything = found(Workers(OperationalError("Connection refused")), connection)

    assert everything["ok"] is False
    assert everything["problems"] == ["replicas cannot be asked: Connection refused"]


def test_it_ends_though_celery_goes_on_trying(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qstore.health, "_SILENCE", 0.01)
    monkeypatch.setattr(qstore.health, "_TRANSIT", 0.01)
    release = threading.Event()
    workers = Workers(["a"])
    monkeypatch.setattr(workers, "ping", lambda **_: [{}][: release.wait(30)])

    assert found(workers, connection, timeout=0.01)["problems"] == ["replicas cannot be asked: TimeoutError"]
    release.set()


# -- the command --------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, everything: dict[str, Any], *options: str) -> Result:
    """Run it where the survey found this."""

    def surveyed(asked: Celery, connection: Connection, timeout: float) -> dict[str, Any]:
        assert asked is app
        assert connection.client.connection_pool.connection_kwargs["port"] == urlsplit(settings.redis_url).port
        assert timeout == 3.0
        return everything

    monkeypatch.setattr(qstore.health, "survey", surveyed)
    return CliRunner().invoke(main, ["health", *options])


def everything(problems: list[str], replicas: dict[str, Any]) -> dict[str, Any]:
    redis = {"ok": True, "seconds": 0.001}
    return {"ok": not problems, "problems": problems, "redis": redis, "replicas": replicas}


def test_a_table_shows_each_part_and_each_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    two = {**IONQ, "pools": [POOL, {**POOL, "name": "second"}]}

    done = run(monkeypatch, everything([], {"worker@a": told(WELL, two), "worker@b": None}))

    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines()[1:]] == [
        ["Redis", "ok", "1.0"],
        ["worker@a", "Redis", "ok", "1.5"],
        ["IonQ", "ok", "250.0", "IonQ", "1/2/4", "5", "6", "7"],
        ["second", "1/2/4", "5", "6", "7"],
        ["worker@b", "silent"],
    ]


def test_what_is_not_well_ends_with_a_line_and_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, everything(["a: no answer", "b: IonQ down"], {"a": None, "b": told(DOWN)}))

    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == "Error: a: no answer; b: IonQ down"


def test_without_replicas_there_is_the_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, everything(["no replica answers"], {}))

    assert (done.exit_code, done.output) == (1, "Error: no replica answers\n")


def test_json_holds_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = everything(["a: IonQ down"], {"a": told(DOWN)})

    done = run(monkeypatch, expected, "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout) == expected
    assert done.stderr == "Error: a: IonQ down\n"
