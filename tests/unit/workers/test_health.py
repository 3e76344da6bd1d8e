"""The health check, over stub parts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import cast

import pytest
from pydantic import SecretStr

from qstore.app import settings
from qstore.errors import BreakerOpen, StoreUnavailableError, TransientError, VectorStoreUnavailableError
from qstore.state.breaker import Breaker
from qstore.state.vitals import Reading
from workers.health import Health, Part, require_closed, secrets_of
from workers.pool import PoolStats

WITHIN = 10.0  # seconds


class OpenBreaker:
    """Lets nothing out."""

    def __init__(self, *, readable: bool = True) -> None:
        self.readable = readable

    def guard(self) -> AbstractContextManager[None]:
        raise BreakerOpen("The circuit breaker 0123:read lets nothing out for 12.4 s.", 12.4)

    def state(self) -> str:
        if not self.readable:
            raise StoreUnavailableError("away")
        return "half_open"


def failing(error: Exception) -> Callable[[], None]:
    def ping() -> None:
        raise error

    return ping


def well() -> None:
    """Answers."""


@pytest.fixture
def health() -> Iterator[Callable[..., Health]]:
    made: list[Health] = []

    def make(*parts: Part, secrets: Sequence[str] = ()) -> Health:
        made.append(Health(parts, secrets))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends what hangs, at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


STATS = PoolStats(
    name="p", size=3, idle=1, in_use=2, waiting=0, min_size=0, max_size=4, acquisitions=9, waited=0, timeouts=0,
    refused=0, made=3, failures=0, closed={"idle": 1}, wait_p50=0.0, wait_p95=0.0,
)  # fmt: skip


def test_all_is_well_where_every_part_answers(health: Callable[..., Health]) -> None:
    told = health(Part("a", well, lambda: [STATS]), Part("b", well)).check(WITHIN)

    assert told["ok"] is True
    assert [(part["part"], part["ok"], part["state"], part["error"]) for part in told["parts"]] == [
        ("a", True, "ok", ""),
        ("b", True, "ok", ""),
    ]
    assert told["parts"][0]["pools"] == [asdict(STATS)]
    assert 0 <= told["parts"][0]["seconds"] < WITHIN
    assert json.loads(json.dumps(told)) == told


def test_a_part_that_is_down_says_why_and_hides_no_other(health: Callable[..., Health]) -> None:
    told = health(Part("a", failing(VectorStoreUnavailableError("no route"))), Part("b", well)).check(WITHIN)

    assert told["ok"] is False
    assert [(part["state"], part["error"]) for part in told["parts"]] == [("down", "no route"), ("ok", "")]


def test_all_parts_are_asked_at_once(health: Callable[..., Health]) -> None:
    together = threading.Barrier(3)

    def ping() -> None:
        together.wait(WITHIN)

    assert health(*(Part(name, ping) for name in "abc")).check(WITHIN)["ok"]


def test_a_part_that_hangs_holds_nobody_up_and_is_asked_once(
    health: Callable[..., Health], release: threading.Event
) -> None:
    asked: list[str] = []

    def hang() -> None:
        asked.append("a")
        release.wait(WITHIN)

    checks = health(Part("a", hang), Part("b", well))
    for _ in range(3):
        silent, ok = checks.check(0.05)["parts"]
        assert (silent["state"], silent["ok"], ok["state"]) == ("silent", False, "ok")
        assert silent["error"].startswith("no answer for ")
    assert asked == ["a"]

    release.set()
    assert checks.check(WITHIN)["ok"]
    assert checks.check(WITHIN)["ok"]
    assert asked[1:]


def test_no_check_takes_longer_than_the_longest(
    health: Callable[..., Health], release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.health.LONGEST", 0.05)

    assert health(Part("a", lambda: release.wait(WITHIN))).check(1000.0)["parts"][0]["state"] == "silent"


@pytest.mark.parametrize(("readable", "state"), [(True, "breaker half_open"), (False, "breaker open")])
def test_nothing_is_sent_past_a_breaker(health: Callable[..., Health], readable: bool, state: str) -> None:
    breaker = cast("Breaker", OpenBreaker(readable=readable))

    told = health(Part("a", lambda: pytest.fail("sent"), breaker=breaker)).check(WITHIN)

    (part,) = told["parts"]
    assert told["ok"] is False
    assert (part["state"], part["error"]) == (state, "nothing is sent for 12 s")


def test_secrets_are_masked_the_longer_ones_first(health: Callable[..., Health]) -> None:
    ping = failing(TransientError("refused: key s3cret-long, or s3cret"))

    told = health(Part("a", ping), secrets=["", "s3cret", "s3cret-long"]).check(WITHIN)

    assert told["parts"][0]["error"] == "refused: key ***, or ***"


def test_of_an_error_that_is_not_ours_only_the_class_is_told(health: Callable[..., Health]) -> None:
    told = health(Part("a", failing(OSError("postgresql://user:pw@host")))).check(WITHIN)

    assert told["parts"][0]["error"] == "OSError"


def test_the_secrets_of_the_settings_are_keys_addresses_and_the_passwords_in_them() -> None:
    changed = settings.model_copy(
        update={
            "redis_url": "redis://:pass%40word@cache/0",
            "ionq_api_key": SecretStr("the-key"),
            "pgvector_url": SecretStr("postgresql://me:other@store/db"),
            "pgvector_replica_url": SecretStr("host=[store password=third"),
        }
    )

    assert secrets_of(changed) == {
        "pass%40word",
        "pass@word",
        "the-key",
        "postgresql://me:other@store/db",
        "other",
        "host=[store password=third",
    }


def test_breakers_that_are_not_closed_are_named() -> None:
    def reading(**breakers: str) -> Callable[[], Reading]:
        return lambda: Reading(0, 0, 0, 0, breakers)

    require_closed(reading(read="closed"))
    with pytest.raises(TransientError, match=r"^submit is open; store is half open$"):
        require_closed(reading(read="closed", submit="open", store="half_open"))
