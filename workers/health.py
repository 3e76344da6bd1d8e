"""One health check for everything that a replica works with.

Invariant: nothing is sent behind a breaker's back; and of each part one ping at most is under way, however often
somebody asks, so what hangs holds one thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from qstore.errors import BreakerOpen, QstoreError, StoreUnavailableError, TransientError
from qstore.settings import Settings
from qstore.state.breaker import Breaker
from qstore.state.vitals import Reading
from workers.pool import PoolStats

LONGEST = 10.0
"""Seconds at most that a check takes, whatever it is asked for: while it lasts a worker hears nothing else."""


@dataclass(frozen=True)
class Part:
    """Something that a replica works with.

    Attributes:
        name: What reports call it.
        ping: Asks it something cheap; raises what is wrong.
        pools: What its pools tell of themselves.
        breaker: Gives leave to ask; None where nobody has to.
    """

    name: str
    ping: Callable[[], object]
    pools: Callable[[], Sequence[PoolStats]] = tuple
    breaker: Breaker | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    state: str
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Ping:
    since: float
    answer: Future[_Answer]


class Health:
    """Pings all parts at once.

    Args:
        parts: All of them.
        secrets: What no error may show.
        clock: Seconds, never going back.
    """

    def __init__(
        self, parts: Sequence[Part], secrets: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)  # one may hold another
        self._clock = clock
        self._executor = ThreadPoolExecutor(len(parts), thread_name_prefix="qstore-health")
        self._lock = threading.Lock()
        self._under_way: dict[str, _Ping] = {}

    def check(self, timeout: float) -> dict[str, Any]:
        """How all parts are.

        Args:
            timeout: Seconds that each may take to answer, `LONGEST` at most.

        Returns:
            Plain JSON: `ok`, and `parts`, each with `part`, its name; `ok`; `state`: `ok`, `down`, `silent`, or what
            its breaker is that lets nothing out, such as `breaker open`; `seconds` that it took; `error`, empty where
            there is none; and `pools`, each as `PoolStats` has it.
        """
        with self._lock:
            pings = [self._ping(part) for part in self._parts]
        wait([ping.answer for ping in pings], timeout=min(timeout, LONGEST))
        parts = [self._told(part, ping) for part, ping in zip(self._parts, pings, strict=True)]
        return {"ok": all(part["ok"] for part in parts), "parts": parts}

    def close(self) -> None:
        """Ping no more; what is under way ends by its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _ping(self, part: Part) -> _Ping:
        """The ping that is under way, or a new one."""
        ping = self._under_way.get(part.name)
        if ping is None or ping.answer.done():
            ping = _Ping(self._clock(), self._executor.submit(self._answer, part))
            self._under_way[part.name] = ping
        return ping

    def _answer(self, part: Part) -> _Answer:
        began = self._clock()
        state, error = "ok", ""
        try:
            with part.breaker.guard() if part.breaker else nullcontext():
                part.ping()
        except BreakerOpen as held:
            state, error = _held_back(part.breaker), f"nothing is sent for {held.retry_after:.0f} s"
        except QstoreError as down:
            state, error = "down", self._masked(str(down))
        except Exception as down:  # noqa: BLE001 - whatever it is, it is not well
            state, error = "down", type(down).__name__  # words that nobody has looked at stay here
        return _Answer(state, self._clock() - began, error)

    def _told(self, part: Part, ping: _Ping) -> dict[str, Any]:
        if ping.answer.done():
            answer = ping.answer.result()
        else:
            seconds = self._clock() - ping.since
            answer = _Answer("silent", seconds, f"no answer for {seconds:.1f} s")
        return {
            "part": part.name,
            "ok": answer.state == "ok",
            "state": answer.state,
            "seconds": round(answer.seconds, 6),
            "error": answer.error,
            "pools": [asdict(pool) for pool in part.pools()],
        }

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _held_back(breaker: Breaker | None) -> str:
    try:
        return f"breaker {breaker.state()}" if breaker else "down"
    except StoreUnavailableError:
        return "breaker open"  # as this process remembers it


def require_closed(read: Callable[[], Reading]) -> None:
    """Make sure that every breaker lets requests out.

    Raises:
        TransientError: One does not; the message names all that do not.
        StoreUnavailableError: Redis does not answer.
    """
    if others := [f"{name} is {state}" for name, state in read().breakers.items() if state != "closed"]:
        raise TransientError("; ".join(others).replace("_", " "))


def secrets_of(settings: Settings) -> set[str]:
    """Whatever in the settings must not be shown: every secret, and every password in a URL."""
    secrets = {value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)}
    passwords = {_password(url) for url in (settings.redis_url, *secrets)}
    return (secrets | passwords | {unquote(password) for password in passwords}) - {""}


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # no URL
        return ""
