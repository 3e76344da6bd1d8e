"""The circuit breaker, shared by all replicas: while what is behind it fails, next to nothing is sent there.

Closed, it lets requests out, never more at a time than failures it still tolerates. Open, it lets none out until
`recovery_timeout` has passed; half open, exactly one in the whole cluster, whose outcome closes or opens it. Outcomes
of an earlier epoch change nothing. All of it is in `lua/include/breaker.lua`, on the clock of Redis.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from qstore.errors import (
    BreakerOpen,
    IonQUnavailableError,
    PoolTimeout,
    QstoreError,
    StoreUnavailableError,
    SubmissionUncertainError,
    ThrottledError,
    TooManyRequests,
    VectorStoreUnavailableError,
)
from qstore.state.connection import Argument, Connection
from qstore.state.keys import Keys

logger = logging.getLogger(__name__)

_CEILING = 60.0  # seconds: no pause that nobody asked for is longer
_SOON = 0.01  # seconds until another permit may have been reported
_PATIENCE = 5.0  # seconds to wait for that


class Verdict(StrEnum):
    """What became of a request."""

    SUCCESS = "success"  # there was an answer, whatever it said
    FAILURE = "failure"
    THROTTLED = "throttled"
    UNSENT = "unsent"  # never left, for reasons of our own


def verdict_of(error: BaseException | None) -> Verdict:
    """What an error says of whoever should have answered. Refusals are answers."""
    match error:
        case ThrottledError():
            return Verdict.THROTTLED
        case IonQUnavailableError() | SubmissionUncertainError() | VectorStoreUnavailableError():
            return Verdict.FAILURE
        case PoolTimeout() | TooManyRequests():
            return Verdict.UNSENT
        case None | QstoreError():
            return Verdict.SUCCESS
        case _:
            return Verdict.UNSENT


@dataclass(frozen=True, slots=True)
class Rules:
    """When a breaker opens and closes.

    Attributes:
        failure_threshold: Failures within the window that open it.
        failure_window: Seconds a failure counts.
        recovery_timeout: Seconds from opening to the first probe.
        lease: Seconds after which a permit that nobody reported is forgotten; outlasts any request.
        backoff: First pause after a throttled request that does not say how long, doubling, seconds.
    """

    failure_threshold: int = 5
    failure_window: float = 60.0
    recovery_timeout: float = 60.0
    lease: float = 120.0
    backoff: float = 1.0

    @property
    def arguments(self) -> list[Argument]:
        """Threshold, window and recovery as scripts take them: milliseconds."""
        return [self.failure_threshold, round(self.failure_window * 1000), round(self.recovery_timeout * 1000)]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one request, or a short sequence that ends at its first failure.

    Attributes:
        token: Its name.
        epoch: When it was given; a later report changes nothing.
    """

    token: str
    epoch: int


class Breaker:
    """One breaker.

    Args:
        connection: To Redis.
        keys: Key names.
        name: What it breaks.
        rules: When it opens and closes.
    """

    def __init__(self, connection: Connection, keys: Keys, name: str, rules: Rules) -> None:
        self.name = name
        self.keys = keys.breaker(name)
        self.rules = rules
        self._connection = connection
        self._opens_at = 0.0  # monotonic seconds: what this process knows where Redis does not answer

    def __repr__(self) -> str:
        return f"Breaker({self.name!r})"

    def state(self) -> str:
        """`closed`, `open` or `half_open`.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        state = self._connection.hash_field(self.keys[0], "state")
        return state or "closed"

    def admit(self) -> Permit:
        """Ask for leave to send; without Redis, the last that was known decides.

        Raises:
            BreakerOpen: Nothing may be sent now.
        """
        token = secrets.token_hex(8)
        threshold, window, recovery = self.rules.arguments
        lease = round(self.rules.lease * 1000)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                verdict = self._connection.call("admit", self.keys, [token, threshold, window, recovery, lease])
            except StoreUnavailableError:
                return self._admit_unasked(token)
            if verdict[0]:
                self._opens_at = 0.0
                return Permit(token, verdict[1])
            if verdict[1] or time.monotonic() > deadline:
                raise self._open(verdict[1] / 1000)
            time.sleep(random.uniform(_SOON / 2, _SOON))  # noqa: S311 - no secret

    def report(self, permit: Permit, error: BaseException | None = None) -> float:
        """Say what became of a permitted request.

        Args:
            permit: The permit.
            error: What the request raised; None where it was answered.

        Returns:
            Of a throttled request, seconds until anything may be sent again; else 0.

        Raises:
            StoreUnavailableError: Redis does not answer; the permit is forgotten in time.
        """
        verdict = verdict_of(error)
        asked = getattr(error, "retry_after", None)
        threshold, window, _ = self.rules.arguments
        turned, pause = self._connection.call(
            "report",
            self.keys,
            [
                permit.token,
                permit.epoch,
                verdict,
                threshold,
                window,
                -1 if asked is None else round(asked * 1000),
                round(self.rules.backoff * 1000),
                round(_CEILING * 1000),
                random.random(),  # noqa: S311 - full jitter is no secret
            ],
        )
        self.note(turned.decode(), error)
        return pause / 1000 if verdict is Verdict.THROTTLED else 0.0

    def note(self, turned: str, error: BaseException | None = None) -> None:
        """Tell the log of a change of state.

        Args:
            turned: The new state; empty where it did not change.
            error: What caused it.
        """
        if turned == "open":
            logger.error(
                "Breaker %s is open for %g s: %s", self.name, self.rules.recovery_timeout, error or "its probe failed"
            )
        elif turned:
            logger.warning("Breaker %s is %s", self.name, turned)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Send within: ask for leave before, report what became of it after.

        Raises:
            BreakerOpen: Nothing may be sent now.
        """
        permit = self.admit()
        try:
            yield
        except BaseException as error:
            with suppress(StoreUnavailableError):
                self.report(permit, error)
            raise
        with suppress(StoreUnavailableError):
            self.report(permit)

    def _admit_unasked(self, token: str) -> Permit:
        left = self._opens_at - time.monotonic()
        if left > 0:
            raise self._open(left)
        return Permit(token, -1)

    def _open(self, wait: float) -> BreakerOpen:
        self._opens_at = time.monotonic() + wait
        return BreakerOpen(f"The circuit breaker {self.name} lets nothing out for {wait:.1f} s.", wait)


class Breakers:
    """The breakers of one account: one for each backend that is submitted to, one for all reading, one for each store.

    Args:
        connection: To Redis.
        keys: Key names.
        account: Stands for the API key.
        rules: When they open and close.
    """

    def __init__(self, connection: Connection, keys: Keys, account: str, rules: Rules) -> None:
        self._connection = connection
        self._keys = keys
        self._account = account
        self._rules = rules
        self._making = threading.Lock()
        self._made: dict[str, Breaker] = {}

    @property
    def read(self) -> Breaker:
        """For every request that only reads."""
        return self._breaker(f"{self._account}:read")

    def store(self, name: str) -> Breaker:
        """For everything that a vector store is asked.

        Args:
            name: The store's.
        """
        return self._breaker(f"store:{name}")

    def submit(self, backend: str) -> Breaker:
        """For jobs of one backend.

        Args:
            backend: IonQ's name.
        """
        return self._breaker(f"{self._account}:submit:{backend}")

    def _breaker(self, name: str) -> Breaker:
        with self._making:
            if name not in self._made:
                self._made[name] = Breaker(self._connection, self._keys, name, self._rules)
            return self._made[name]
