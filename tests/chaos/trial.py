"""One scenario's house: a sandbox with short deadlines, a producer, and the books of the stand-in."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from redis import Redis

from chaos.order import End, Order, Producer
from chaos.scoreboard import Score, Scoreboard
from conditions import wait_until
from qstore.sandbox.process import Process
from qstore.sandbox.sandbox import Sandbox

LEASE = 3.0
"""Seconds after which a dead replica's work is another's."""

MACHINE = 20.0
"""Seconds a busy machine may add to what a lease explains."""

SETTINGS = {
    "QSTORE_LEASE": str(LEASE),
    "QSTORE_IONQ_CONNECT_TIMEOUT": "0.4",
    "QSTORE_IONQ_READ_TIMEOUT": "0.7",
    "QSTORE_IONQ_POOL_TIMEOUT": "0.5",
    "QSTORE_IONQ_LIST_LAG": "0.3",
    "QSTORE_BATCH_SIZE": "5",
    "QSTORE_BATCH_TIMEOUT": "0.1",
    "QSTORE_POLL_FLOOR": "0.05",
    "QSTORE_POLL_CEILING": "1",
    "QSTORE_RETRY_BACKOFF": "0.2",
    "QSTORE_RECOVERY_TIMEOUT": "2",
}
"""Deadlines short enough to be waited for: in production a lease is two minutes."""

_LOG = 50_000  # characters of each that a failure shows

_TRANSIENT = ("batch:*", "pending:*", "run:*", "jobs:*", "job:*", "due", "groups", "queued", "expiring", "slots:*")
"""Keys that are gone once every job has ended."""


class Trial:
    """A house to do harm to; in a `with` statement.

    Args:
        folder: Where everything is written.
        board: Where scores go.
        workers: Replicas.
        latency: Seconds IonQ takes over a job.
        settings: Besides `SETTINGS`.
        appendfsync: As Redis names it.
        postgres: Whether there is a PostgreSQL, and so an archive.

    Attributes:
        sandbox: Redis, the stand-in and the replicas.
    """

    def __init__(
        self,
        folder: Path,
        board: Scoreboard,
        *,
        workers: int = 2,
        latency: float = 0.2,
        settings: Mapping[str, str] | None = None,
        appendfsync: str = "everysec",
        postgres: bool = False,
    ) -> None:
        self.board = board
        self.sandbox = Sandbox(
            folder / "house",
            workers=workers,
            latency=latency,
            postgres=postgres,
            flower=False,
            settings={**SETTINGS, **(settings or {})},
            appendfsync=appendfsync,
        )
        self._held = ExitStack()
        self._hired: Producer | None = None
        self._next = 1  # number of the next circuit
        self._orders: list[Order] = []  # since the last score
        self._bought = 0  # jobs in the stand-in's ledger that are in a score already

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.sandbox)
            self._ionq = held.enter_context(
                httpx.Client(base_url=f"{self.sandbox.ionq.url}/sandbox", timeout=10.0, trust_env=False)
            )
            self._redis = held.enter_context(Redis.from_url(self.sandbox.redis.url, decode_responses=True))
            self._held = held.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            print(self.logs())  # noqa: T201 - pytest shows it
        self._held.close()

    def logs(self) -> str:
        """The end of every log."""
        logs = sorted(self.sandbox.data.rglob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-_LOG:]}" for log in logs)

    # -- what is asked --------------------------------------------------------------------------------------

    def submit(
        self,
        distinct: int,
        repeats: int = 0,
        *,
        pace: float = 0.0,
        within: float = 60.0,
        revoked: int = 0,
        regret: float = 0.0,
    ) -> None:
        """Have jobs submitted, over circuits nobody asked for before, and do not wait for it; see `Order`."""
        order = Order(self._next, distinct, repeats, pace=pace, within=within, revoked=revoked, regret=regret)
        self._next += distinct
        self._orders.append(order)
        self._producer.order(order)

    @property
    def all_ended(self) -> bool:
        """Whether every job submitted since the last score has ended, or is lost."""
        return self._producer.answers == len(self._orders)

    def wait_until_ended(self) -> None:
        """Wait until every job submitted since the last score has ended, or is lost."""
        within = sum(order.within for order in self._orders) + MACHINE
        wait_until(lambda: self.all_ended, within=within, what="the end of all jobs")

    @property
    def _producer(self) -> Producer:
        """Hired when there is something to submit."""
        if self._hired is None:
            self._hired = self._held.enter_context(Producer(self.sandbox.data, self.sandbox.child_environment))
        return self._hired

    # -- harm -----------------------------------------------------------------------------------------------

    def arm(self, fail_point: str, **settings: str) -> Process:
        """One more replica, which will die or freeze at a named place; with settings of its own, as `SETTINGS`."""
        return self.sandbox.add_worker(environment={"QSTORE_FAIL_POINT": fail_point, **settings})

    def submit_until(self, harmed: Callable[[], bool], what: str, *, revoked: int = 0, regret: float = 0.0) -> float:
        """Have small batches submitted until harm is done: replicas share them as they like. Returns when it was."""

        def harmed_or_idle() -> bool:
            return harmed() or self.all_ended

        for _ in range(10):
            self.submit(60, 15, revoked=revoked, regret=regret)
            wait_until(harmed_or_idle, within=60, what=what)
            if harmed():
                return time.time()
        raise AssertionError(f"{what}: not in ten waves")

    def retire_worker(self) -> None:
        """Ask the newest replica to stop, and wait until it has finished what it had in hand."""
        worker = self.sandbox.workers[-1]
        worker.ask_to_stop()
        wait_until(worker.finished, within=MACHINE, what=f"the end of {worker.name}")
        self.sandbox.kill_worker()

    def wait_until_taken(self, jobs: int) -> None:
        """Wait until IonQ has taken so many jobs in all."""
        wait_until(lambda: self.stats()["jobs_accepted"] >= jobs, within=60, what=f"{jobs} jobs at IonQ")

    def wait_until_queued(self, waiting: int, *, revoked: int) -> None:
        """Wait until so many jobs wait, and so many that were revoked, with nobody up to finish them."""
        wait_until(
            lambda: (self._redis.get("qstore:queued"), self._redis.zcard("qstore:due")) == (str(waiting), revoked),
            within=60,
            what=f"{waiting} waiting jobs",
        )

    def fail(self, *faults: Mapping[str, Any]) -> None:
        """Have IonQ commit faults."""
        self._ionq.post("/faults", json=faults).raise_for_status()

    def strikes(self) -> list[int]:
        """How often those that did strike did."""
        return [fault["struck"] for fault in self._faults() if fault["struck"]]

    @property
    def failing(self) -> bool:
        """Whether it may still commit one."""
        return any(fault["active"] for fault in self._faults())

    def mend(self) -> None:
        """Have IonQ commit none any more."""
        self._ionq.delete("/faults").raise_for_status()

    # -- what came of it ------------------------------------------------------------------------------------

    def score(
        self,
        scenario: str,
        since: float | None = None,
        *,
        bound: float = LEASE + MACHINE,
        fails: str = "",
        refunded: bool = True,
        unsent: bool = False,
        note: str = "",
    ) -> None:
        """Wait until all jobs have ended, and hold that each did, once, with its own counts, paid for once.

        Args:
            scenario: What the board calls it.
            since: Epoch seconds from which recovery counts.
            bound: Seconds it may take.
            fails: An error with which some jobs have to end, by name; empty where none may fail.
            refunded: Whether those are not paid.
            unsent: Whether nothing that is wanted by nobody may have been paid; else at most once.
            note: For the board.
        """
        self.wait_until_ended()
        orders, self._orders = self._orders, []
        ends = [end for order in orders for end in self._producer.ends()]
        assert len(ends) == sum(order.jobs for order in orders)
        self.wait_until_idle()
        paid = self._paid()
        doomed = [end for end in ends if end.end == "failed" and fails and fails in end.said]
        revoked = [end for end in ends if end.end == "revoked"]
        unwanted = {end.number for end in revoked} - {end.number for end in ends if end.end != "revoked"}
        asked = sum(order.distinct for order in orders) - (refunded and len({end.number for end in doomed}))
        needed = asked - len(unwanted)
        said = "revoked" if revoked else ""
        score = Score(
            scenario,
            jobs=len(ends),
            asked=needed if unsent else min(max(needed, len(paid)), asked),
            paid=len(paid),
            duplicates=len(paid) - len(set(paid)),
            lost=sum(end.end == "lost" for end in ends),
            failed=sum(end.end == "failed" for end in ends) - len(doomed),
            wrong=sum(end.end == "wrong" for end in ends) + self._taken_back(ends),
            recovery=None if since is None else max(0.0, max(end.at for end in ends) - since),
            note=", ".join(
                filter(None, [*(f"{len(some)} {why}" for some, why in ((doomed, fails), (revoked, said)) if why), note])
            ),
        )
        self.board.add(score)
        assert score.passed, (
            score,
            [end for end in ends if end.end not in {"ok", "revoked"} and end not in doomed][:5],
        )
        assert doomed or not fails, score
        assert score.recovery is None or score.recovery <= bound, score

    def stats(self) -> dict[str, Any]:
        """What IonQ was asked."""
        return self.sandbox.stats()

    def wait_until_idle(self) -> None:
        """Wait until Redis holds nothing that a job would leave there before its end: no batch, no slot."""
        wait_until(lambda: not self._left(), within=2 * LEASE + MACHINE, what=f"a clean house, but {self._left()}")

    def _faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._ionq.get("/faults").raise_for_status().json()["faults"]
        return faults

    def _left(self) -> list[str]:
        return [str(key) for name in _TRANSIENT for key in self._redis.scan_iter(f"qstore:{name}", count=1000)]

    def _taken_back(self, ends: Sequence[End]) -> int:
        """How many jobs do not say any more how they ended."""
        states = {"ok": "SUCCESS", "revoked": "REVOKED", "failed": "FAILURE"}
        told = [(end, states[end.end]) for end in ends if end.end in states]
        entries = self._redis.mget([f"celery-task-meta-{end.job_id}" for end, _ in told])
        return sum(
            entry is None or json.loads(entry)["status"] != state
            for entry, (_, state) in zip(entries, told, strict=True)
        )

    def _paid(self) -> list[str]:
        """Digests of the circuits IonQ ran, or will, for jobs taken since the last score."""
        jobs = self._ionq.get("/ledger").raise_for_status().json()["jobs"]
        bought, self._bought = jobs[self._bought :], len(jobs)
        return [circuit for job in bought if job["status"] not in {"failed", "canceled"} for circuit in job["circuits"]]


def wait_till(moment: float) -> None:
    """Wait until it is that late, in epoch seconds: for what is about time itself."""
    wait_until(lambda: time.time() > moment, within=moment - time.time() + MACHINE, what="the time")


def is_dead(process: Process) -> bool:
    """Whether it ended; it is reaped later."""
    return psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE


def is_frozen(process: Process) -> bool:
    """Whether it is stopped as SIGSTOP does."""
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def freeze(process: Process) -> None:
    """Stop a process as a machine that hangs does."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)


def thaw(process: Process) -> None:
    """Continue a frozen process."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
