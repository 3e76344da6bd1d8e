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
from qstore.state.ending import Banked, BankMovedError, Ending, Settled, StaleError
from qstore.state.keys import Keys
from qstore.state.slots import Slots

_FIELDS = (
    *("state", "nonce", "group", "runs", "remote_id", "created_at", "submitted_at"),
    *("looks", "epoch", "begun", "unwanted", "told", "calibration"),
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
class Tick:
    """What has to be done now.

    Attributes:
        batches: Due records, claimed for the caller.
        groups: Groups whose partial batch is overdue.
        hits: Jobs answered from the cache that Flower has not been told of.
        arrivals: Jobs that have waited for a while, and that Flower has not been told of.
        latecomers: Those among them whose circuits IonQ has already.
        expired: Ids of jobs to end, unless their circuits are on the way to IonQ.
        machines: Whose calibrations IonQ is to be asked for, by the caller.
        pause: Seconds until the next partial batch may leave; None for none.
    """

    batches: tuple[Batch, ...]
    groups: tuple[Group, ...]
    hits: tuple[Hit, ...]
    arrivals: tuple[Job, ...]
    latecomers: tuple[Job, ...]
    expired: tuple[str, ...]
    machines: tuple[str, ...]
    pause: float | None


def _settled(outcomes: Sequence[str], jobs: Sequence[Sequence[str | bytes]]) -> list[Settled]:
    return [
        # Lua writes an empty list as {}
        Settled(outcome, tuple(Job.from_json(job) for job in waiting or ()))
        for outcome, waiting in zip(outcomes, jobs, strict=True)
    ]


def _executed(ending: Ending) -> str:
    """What goes to the archive; what is the outcome itself need not travel twice."""
    return "=" if ending.executed == ending.outcome else ending.executed


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
        calibration=said["calibration"].decode(),
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
        result_bytes: Of stored results, at most.
        news_after: Seconds a job waits before Flower is told of it: most have ended by then.
        calibration_interval: Seconds until IonQ is asked for a machine's calibration again.
        archives: Whether what was executed is kept for an archive.
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
        result_bytes: int = 256 * 2**20,
        news_after: float = 1.0,
        calibration_interval: float = 300.0,
        archives: bool = False,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._slots = slots
        self._breakers = breakers
        self._archives = archives
        self._lease = round(lease * 1000)
        self._result_ttl = round(result_ttl * 1000)
        self._result_bytes = result_bytes
        self._news_after = round(news_after * 1000)
        self._calibration_interval = round(calibration_interval * 1000)

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
        lease, batch_ids, groups, hits, arrivals, expired, machines, pause = self._connection.call(
            "tick",
            [keys.due, keys.groups, keys.hits, keys.arrivals, keys.expiring, keys.calibrations],
            [limit, self._lease, _TOLD, self._news_after, self._calibration_interval],
        )
        came = self._announced([arrival.split(b" ", 2) for arrival in arrivals])
        return Tick(
            batches=self._read([batch_id.decode() for batch_id in batch_ids], lease.decode()),
            groups=tuple(Group.from_json(group) for group in groups),
            hits=tuple(Hit.from_json(hit) for hit in hits),
            arrivals=tuple(job for _, job in came),
            latecomers=tuple(job for where, job in came if where == b"submitted"),
            expired=tuple(job_id.decode() for job_id in expired),
            machines=tuple(key.decode().removeprefix(keys.calibration("")) for key in machines),
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
        keys = [*self._record(batch), self._keys.calibration(batch.group.backend)]
        keys += map(self._keys.jobs, batch.run_ids) if told else ()
        args: list[Argument] = [batch.batch_id, batch.lease, round(pause * 1000), self._slots.expiry, told]
        stands, *waiting = self._connection.call("postpone", keys, args)
        return _jobs(waiting[0]) if stands else None

    def banked(self, run_ids: Sequence[str]) -> list[Banked]:
        """What is banked for runs, and what those want who wait for them.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        for run_id in run_ids:
            pipe.get(self._keys.result(run_id))
            pipe.lrange(self._keys.jobs(run_id), 0, -1)
        with translated():
            found = pipe.execute() if run_ids else []
        return [
            Banked((stored or b"").partition(b"\n")[2], max([Job.from_json(job).shots for job in jobs], default=0))
            for stored, jobs in zip(found[::2], found[1::2], strict=True)
        ]

    def settle(self, batch: Batch, endings: Sequence[Ending]) -> list[Settled] | None:
        """Cache the outcomes and end the runs; the record keeps what is left to do.

        Args:
            batch: The batch.
            endings: How each run ends.

        Returns:
            What to finish, or None where the record is no longer the caller's.

        Raises:
            BankMovedError: Somebody wants more shots by now than the endings allow for; nothing was done.
            StaleError: An archived outcome answers no longer for all who wait; nothing was done.
            StoreUnavailableError: Redis does not answer.
        """
        names = self._keys
        keys = [*self._record(batch), names.queued, names.expiring]
        keys += [names.tally, *names.results, names.calibration(batch.group.backend), names.groups, names.outbox]
        args: list[Argument] = [batch.batch_id, batch.lease, self._result_ttl, self._result_bytes]
        own_group = batch.group.to_json()
        for run_id, ending in zip(batch.run_ids, endings, strict=True):
            again = ending.again
            group = again.group.to_json() if again else own_group
            keys += [names.result(run_id), names.run(run_id), names.jobs(run_id), names.pending(group)]
            args += [ending.outcome, int(ending.cacheable)]
            args += ["" if ending.usd is None else ending.usd, ending.calibration or "", ending.shots]
            args += [again.to_fields()["head"], group] if again else ["", ""]
            args.append(ending.shots + (again.group.shots if again else 0) if ending.bank else "")
            args.append(_executed(ending) if self._archives else "")
            args.append("" if ending.age is None else max(0, round(ending.age * 1000)))
        answer = self._connection.call("settle", keys, args)
        if not answer:
            return None
        if answer == [b"moved"]:
            raise BankMovedError
        if answer == [b"stale"]:
            raise StaleError
        return _settled([ending.outcome for ending in endings], answer[0])

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
