"""The ledger: every batch is recorded before IonQ hears of it, and its record ends only when every job is finished.

A record is under a lease, which is its due time: whoever claims it moves the due time on, and every later write
names the due time it holds. A replica that slept through its lease therefore changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qstore.job import Batch, Group, Job
from qstore.state.breaker import Breakers
from qstore.state.connection import Argument, Connection, translated
from qstore.state.keys import Keys
from qstore.state.slots import Slots

_FIELDS = (
    *("state", "nonce", "group", "runs", "remote_id", "created_at", "submitted_at"),
    *("looks", "epoch", "begun", "unwanted", "told"),
)
_TOLD = 500  # jobs told to Flower, or expired, in one turn


@dataclass(frozen=True, slots=True)
class Hit:
    """A job answered from the cache, for Flower to be told of.

    Attributes:
        job: The job.
        headline: Its result in one line.
    """

    job: Job
    headline: str

    def to_json(self) -> str:
        """Compact JSON."""
        return json.dumps([self.job.to_json(), self.headline], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Hit:
        """The inverse of `to_json`."""
        job, headline = json.loads(text)
        return cls(Job.from_json(job), headline)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled batch leaves to do: one outcome for each run, and the jobs that wait for it.

    Attributes:
        outcome: JSON of the run's outcome.
        jobs: Who waited, the one that caused the run first.
    """

    outcome: str
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """What has to be done now.

    Attributes:
        batches: Due records, claimed for the caller.
        groups: Groups whose partial batch is overdue.
        hits: Jobs answered from the cache that Flower has not been told of.
        arrivals: Jobs that have waited for a while, and that Flower has not been told of.
        latecomers: Those among them whose circuits IonQ has already.
        expired: Ids of jobs to end, unless their circuits are on the way to IonQ.
        pause: Seconds until the next partial batch may leave; None for none.
    """

    batches: tuple[Batch, ...]
    groups: tuple[Group, ...]
    hits: tuple[Hit, ...]
    arrivals: tuple[Job, ...]
    latecomers: tuple[Job, ...]
    expired: tuple[str, ...]
    pause: float | None


def _settled(outcomes: Sequence[str], jobs: Sequence[Sequence[str | bytes]]) -> list[Settled]:
    return [
        # Lua writes an empty list as {}
        Settled(outcome, tuple(Job.from_json(job) for job in waiting or ()))
        for outcome, waiting in zip(outcomes, jobs, strict=True)
    ]


def _jobs(waiting: Sequence[Sequence[bytes]]) -> list[Job]:
    return [Job.from_json(job) for jobs in waiting for job in jobs]


def _batch(batch_id: str, lease: str, record: Mapping[str, bytes | None]) -> Batch:
    said = {name: value or b"" for name, value in record.items()}
    return Batch(
        batch_id=batch_id,
        nonce=said["nonce"].decode(),
        group=Group.from_json(said["group"]),
        run_ids=tuple(json.loads(said["runs"])),
        state=said["state"].decode(),
        lease=lease,
        remote_id=said["remote_id"].decode(),
        created_at=int(said["created_at"]) / 1000,
        submitted_at=int(said["submitted_at"] or 0) / 1000,
        looks=int(said["looks"] or 0),
        epoch=int(said["epoch"] or 0),
        begun=bool(said["begun"]),
        unwanted=bool(said["unwanted"]),
        told=said["told"].decode(),
    )


class Ledger:
    """Reads and moves batch records.

    Args:
        connection: To Redis.
        keys: Key names.
        slots: Renewed with every look, given back at the end.
        breakers: Told of what IonQ took.
        lease: Seconds until a claimed record is another replica's.
        result_ttl: Seconds a result answers later askers.
        news_after: Seconds a job waits before Flower is told of it: most have ended by then.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        slots: Slots,
        breakers: Breakers,
        *,
        lease: float,
        result_ttl: float,
        news_after: float = 1.0,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._slots = slots
        self._breakers = breakers
        self._lease = round(lease * 1000)
        self._result_ttl = round(result_ttl * 1000)
        self._news_after = round(news_after * 1000)

    def submitted(self, batch: Batch, remote_id: str, pause: float, told: str) -> bool:
        """Remember IonQ's job and when to look first, whoever holds the lease.

        Args:
            batch: The batch, as taken.
            remote_id: IonQ's job id.
            pause: Seconds until the first look.
            told: What the entries of its jobs say, all but the id: of whoever joins from now on at once.

        Returns:
            False where the batch is no more: its circuits went back, and IonQ's job is nobody's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        breaker = self._breakers.submit(batch.group.backend)
        stands, turned = self._connection.call(
            "submitted",
            [*self._record(batch), *breaker.keys, self._keys.expiring, *map(self._keys.jobs, batch.run_ids)],
            [batch.batch_id, remote_id, round(pause * 1000), self._slots.expiry, batch.epoch, told],
        )
        breaker.note(turned.decode())
        return bool(stands)

    def tick(self, limit: int) -> Tick:
        """Claim what is due.

        Args:
            limit: Records at most.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys = self._keys
        lease, batch_ids, groups, hits, arrivals, expired, pause = self._connection.call(
            "tick",
            [keys.due, keys.groups, keys.hits, keys.arrivals, keys.expiring],
            [limit, self._lease, _TOLD, self._news_after],
        )
        came = self._announced([arrival.split(b" ", 2) for arrival in arrivals])
        return Tick(
            batches=self._read([batch_id.decode() for batch_id in batch_ids], lease.decode()),
            groups=tuple(Group.from_json(group) for group in groups),
            hits=tuple(Hit.from_json(hit) for hit in hits),
            arrivals=tuple(job for _, job in came),
            latecomers=tuple(job for where, job in came if where == b"submitted"),
            expired=tuple(job_id.decode() for job_id in expired),
            pause=pause / 1000 if pause >= 0 else None,
        )

    def _announced(self, arrivals: Sequence[Sequence[bytes]]) -> list[tuple[bytes, Job]]:
        """Of jobs on the list those that still wait, each with where it is."""
        if not arrivals:
            return []
        keys, where = self._keys, {job_id.decode(): place for _, place, job_id in arrivals}
        run_ids = self._connection.call("announce", [keys.announced, *map(keys.job, where)], list(where))
        pipe = self._connection.pipeline()
        for run_id in {run_id.decode() for run_id in run_ids if run_id}:
            pipe.lrange(keys.jobs(run_id), 0, -1)
        with translated():
            waiting = _jobs(pipe.execute())
        return [(where[job.job_id], job) for job in waiting if job.job_id in where]

    def postpone(self, batch: Batch, pause: float, told: str = "") -> list[Job] | None:
        """Look again later.

        Args:
            batch: The batch.
            pause: Seconds.
            told: What the entries of its jobs say from now on, all but the id; empty where there is nothing to tell.

        Returns:
            Who waits, to be told, where there is something to tell; None where the record is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys = [*self._record(batch), *(map(self._keys.jobs, batch.run_ids) if told else ())]
        args: list[Argument] = [batch.batch_id, batch.lease, round(pause * 1000), self._slots.expiry, told]
        stands, *waiting = self._connection.call("postpone", keys, args)
        return _jobs(waiting[0]) if stands else None

    def settle(self, batch: Batch, outcomes: Sequence[tuple[str, bool]]) -> list[Settled] | None:
        """Cache the outcomes and end the runs; the record keeps what is left to do.

        Args:
            batch: The batch.
            outcomes: For each run, JSON of its outcome and whether it may answer later askers.

        Returns:
            What to finish, or None where the record is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys = [*self._record(batch), self._keys.queued, self._keys.expiring]
        args: list[Argument] = [batch.batch_id, batch.lease]
        for run_id, (outcome, cacheable) in zip(batch.run_ids, outcomes, strict=True):
            keys += [self._keys.result(run_id), self._keys.run(run_id), self._keys.jobs(run_id)]
            args += [outcome, self._result_ttl if cacheable else 0]
        answer = self._connection.call("settle", keys, args)
        if not answer:
            return None
        return _settled([outcome for outcome, _ in outcomes], answer[0])

    def unfinished(self, batch: Batch) -> list[Settled]:
        """What a settled record still asks to be finished.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            outcomes, jobs = self._connection.client.hmget(self._keys.batch(batch.batch_id), ["outcomes", "jobs"])
        return _settled(json.loads(outcomes or b"[]"), json.loads(jobs or b"[]"))

    def finished(self, batch: Batch) -> None:
        """Forget a batch whose every job is finished.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        pipe.delete(self._keys.batch(batch.batch_id))
        pipe.zrem(self._keys.due, batch.batch_id)
        with translated():
            pipe.execute()

    def _record(self, batch: Batch) -> list[str]:
        return [self._keys.batch(batch.batch_id), self._keys.due, self._slots.key]

    def _read(self, batch_ids: Sequence[str], lease: str) -> tuple[Batch, ...]:
        if not batch_ids:
            return ()
        pipe = self._connection.pipeline()
        for batch_id in batch_ids:
            pipe.hmget(self._keys.batch(batch_id), _FIELDS)
        with translated():
            records = [dict(zip(_FIELDS, record, strict=True)) for record in pipe.execute()]
        return tuple(
            _batch(batch_id, lease, record)
            for batch_id, record in zip(batch_ids, records, strict=True)
            if record["state"]
        )
