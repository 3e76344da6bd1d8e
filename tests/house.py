"""The shared state of one test: what producers and replicas do to it, without Celery, Qiskit or IonQ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from conditions import wait_until
from qstore.answer import from_answer
from qstore.errors import JobRevokedError, QstoreError
from qstore.job import Batch, Group, Job, Readout, Run
from qstore.state.batches import Batches, Offers
from qstore.state.breaker import Breakers, Rules
from qstore.state.budget import Budget
from qstore.state.cancellations import Cancellations
from qstore.state.claims import Ask, Claims
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.entry import Entry, Telling
from qstore.state.keys import Keys
from qstore.state.ledger import Ledger
from qstore.state.slots import Slots
from qstore.state.tally import Tally

GROUP = Group(backend="simulator", shots=100)
LEASE = 30.0
TOLD = '{"submitted": true, "task_id": '
OUTCOME = '{"states":{"0":100}}'
ENDING = Ending(OUTCOME)


class House:
    """The state of one test."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        *,
        size: int = 3,
        timeout: float = 60.0,
        lease: float = LEASE,
        news_after: float = 0.0,
        max_concurrent: int = 1000,
        max_queued: int = 1000,
        result_ttl: float = 60.0,
        result_bytes: int = 10**6,
        circuit_bytes: int = 10**6,
        rules: Rules | None = None,
        offers: Offers | None = None,
        archives: bool = False,
    ) -> None:
        self.connection = connection
        self.keys = keys
        self.budget = Budget(connection, keys, max_queued)
        self.slots = Slots(connection, keys, "account", max_concurrent, lease)
        self.breakers = Breakers(connection, keys, "account", rules or Rules(failure_threshold=1000, lease=lease))
        self.claims = Claims(connection, keys, self.budget, size, timeout, circuit_bytes=circuit_bytes)
        self.batches = Batches(
            connection,
            keys,
            self.slots,
            self.breakers,
            offers or Offers(),
            batch_size=size,
            batch_timeout=timeout,
            lease=lease,
        )
        self.cancellations = Cancellations(connection, keys, self.revoked)
        self.ledger = Ledger(
            connection,
            keys,
            self.slots,
            self.breakers,
            lease=lease,
            result_ttl=result_ttl,
            result_bytes=result_bytes,
            news_after=news_after,
            archives=archives,
        )
        self.tally = Tally(connection, keys)
        self.ended: defaultdict[str, list[str]] = defaultdict(list)  # how jobs were finished: counts, or why not
        self.known: dict[str, bool] = {}  # whether Flower was told of them before

    def entry(self, job_id: str) -> Entry:
        return Entry(f"{self.keys.prefix}entry:{job_id}", '{"position": ', ', "task_id": ', f'"{job_id}"}}', 60)

    def revoked(self, job_id: str, reason: str) -> Telling:
        return Telling(self.keys.job(job_id), self.entry(job_id).key, reason, 60)

    def ask(self, run_id: str, job_id: str, priority: int = 0, expires: float | None = None, **job: Any) -> Ask:
        asked = Job(
            job_id, "bell", "bell · 2 qubits", Readout((0, 1), ((0, 1),)), memory=False, submitted_at=1.0, **job
        )
        return Ask(run_id, asked, self.entry(job_id), priority, expires)

    def run(self, run_id: str, group: Group = GROUP) -> Run:
        return Run(run_id, "f" * 64, group, "qis", b"[]", 2, 2, "bell", None)

    def submit(
        self, run_id: str, job_id: str, group: Group = GROUP, priority: int = 0, expires: float | None = None
    ) -> tuple[str, bool]:
        """What a producer does: look, then claim a miss. Returns how it ended, and whether to ring."""
        ask = self.ask(run_id, job_id, priority, expires)
        (answer,) = self.claims.ask([(ask, None)])
        if answer.kind == "miss":
            (answer,) = self.claims.ask([(ask, self.run(run_id, group))])
        return answer.kind, answer.full is not None

    def places(self, run_id: str) -> list[str]:
        """Where a run is."""
        client: Any = self.connection.client
        places = ["group"] * client.zrange(self.keys.pending(GROUP.to_json()), 0, -1).count(run_id.encode())
        for key in client.scan_iter(f"{self.keys.prefix}batch:*"):
            state, runs = client.hmget(key, ["state", "runs"])
            if state != b"settled" and run_id in runs.decode():
                places.append("batch")
        if client.exists(self.keys.result(run_id)):
            places.append("cache")
        return places

    def take(self, group: Group = GROUP) -> Batch:
        batch = self.batches.take(group).batch
        assert batch is not None
        return batch

    def execute(self, endings: Mapping[str, Ending], group: Group = GROUP) -> None:
        """End runs that wait, which are all that do, and finish who waits for them."""
        batch = self.take(group)
        assert set(batch.run_ids) == set(endings)
        assert self.ledger.settle(batch, [endings[run_id] for run_id in batch.run_ids]) is not None
        self.finish(batch)

    def says(self, job_id: str) -> str | None:
        """What a job's entry says."""
        text: Any = self.connection.client.get(self.entry(job_id).key)
        return text.decode() if text else None

    def waiting_runs(self, group: Group = GROUP) -> list[str]:
        """The runs of a group in the order in which they leave."""
        runs: Any = self.connection.client.zrange(self.keys.pending(group.to_json()), 0, -1)
        return [run_id.decode() for run_id in runs]

    def claim_due(self) -> tuple[Batch, ...]:
        """What is due, as soon as something is."""
        return wait_until(lambda: self.ledger.tick(25).batches)

    def finish(self, batch: Batch) -> None:
        """What a replica does with a settled record."""
        ends = [(job.job_id, _end(run.outcome)) for run in self.ledger.unfinished(batch) for job in run.jobs]
        for job_id, end in ends:
            self.ended[job_id].append(end)
        keys = [key for job_id, _ in ends for key in (self.keys.job(job_id), self.entry(job_id).key)]
        says = [text for end in ends for text in end]
        known = self.connection.call("finish", [self.keys.hits, self.keys.announced, *keys], [60, 1, 0, *says])
        self.known |= {job_id: bool(each) for (job_id, _), each in zip(ends, known, strict=True)}
        self.ledger.finished(batch)

    def wind_up(self) -> None:
        """Bring everything to its end as replicas would, without waiting, and remove what outlives it in production.

        Whatever is in Redis after that should not be.
        """
        client: Any = self.connection.client
        while True:
            for key in (self.keys.groups, self.keys.due):
                if members := client.zrange(key, 0, -1):
                    client.zadd(key, dict.fromkeys(members, 0))
            self._remove("hold:*")
            tick = self.ledger.tick(25)
            if not (tick.batches or tick.groups or tick.arrivals or tick.expired):
                break
            self.cancellations.cancel(tick.expired, "expired")
            for batch in tick.batches:
                self._go_on(batch)
            for group in tick.groups:
                taken = self.batches.take(group).batch
                begun = self.batches.begin(taken) if taken else None
                if begun and begun[1]:
                    self.ledger.submitted(begun[0], "remote", pause=0, told=TOLD)
        self._remove("result*", "circuit*", "tally", "calibration*", "entry:*", "breaker:*", "outbox*")

    def _go_on(self, batch: Batch) -> None:
        if batch.state == "settled":
            self.finish(batch)
        elif batch.state == "intent" or (batch.unwanted and self.batches.deserted(batch)):
            self.batches.put_back(batch, 0, blame=False)
        else:
            self.ledger.settle(batch, [ENDING] * len(batch.run_ids))

    def _remove(self, *patterns: str) -> None:
        for pattern in patterns:
            for key in self.connection.client.scan_iter(f"{self.keys.prefix}{pattern}", count=1000):
                self.connection.client.delete(key)

    def clear(self) -> None:
        for key in self.connection.client.scan_iter(f"{self.keys.prefix}*"):
            self.connection.client.delete(key)


def _end(outcome: str) -> str:
    try:
        from_answer(outcome)
    except JobRevokedError as error:
        return error.reason
    except QstoreError:
        return "failed"
    return "counts"
