"""The ledger: every batch is recorded before IonQ hears of it, and its record ends only when every job is finished.

A record is under a lease, which is its due time: whoever claims it moves the due time on, and every later write
names the due time it holds. A replica that slept through its lease therefore changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from qstore.job import Batch, Group, Job
from qstore.state.breaker import Breakers
from qstore.state.connection import Argument, Connection, translated
from qstore.state.keys import Keys
from qstore.state.slots import Slots

_HITS = 500  # told to Flower in one turn


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled batch leaves to do: one outcome for each run, and the jobs that wait for it.

    Attributes:
        outcome: JSON of the run's outcome.
        jobs: Who waited, the one that caused the run first.
        announced: How many of them Flower was told of already.
    """

    outcome: str
    jobs: tuple[Job, ...]
    announced: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What has to be done now.

    Attributes:
        batches: Due records, claimed for the caller.
        groups: Groups whose partial batch is overdue.
        hits: Jobs answered from the cache that Flower has not been told of.
        pause: Seconds until the next partial batch may leave; None for none.
    """

    batches: tuple[Batch, ...]
    groups: tuple[Group, ...]
    hits: tuple[Job, ...]
    pause: float | None


def _settled(outcomes: Sequence[str], jobs: Sequence[Sequence[str | bytes]], announced: bytes | str) -> list[Settled]:
    told = json.loads(announced) or [0] * len(outcomes)
    return [
        # Lua writes an empty list as {}
        Settled(outcome, tuple(Job.from_json(job) for job in waiting or ()), count)
        for outcome, waiting, count in zip(outcomes, jobs, told, strict=True)
    ]


class Ledger:
    """Reads and moves batch records.

    Args:
        connection: To Redis.
        keys: Key names.
        slots: Renewed with every look, given back at the end.
        breakers: Told of what IonQ took.
        lease: Seconds until a claimed record is another replica's.
        result_ttl: Seconds a result answers later askers.
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
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._slots = slots
        self._breakers = breakers
        self._lease = round(lease * 1000)
        self._result_ttl = round(result_ttl * 1000)

    def submitted(self, batch: Batch, remote_id: str, pause: float) -> bool:
        """Remember IonQ's job and when to look first, whoever holds the lease.

        Args:
            batch: The batch, as taken.
            remote_id: IonQ's job id.
            pause: Seconds until the first look.

        Returns:
            False where the batch is no more: its circuits went back, and IonQ's job is nobody's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        breaker = self._breakers.submit(batch.group.backend)
        stands, turned = self._connection.call(
            "submitted",
            [*self._record(batch), *breaker.keys],
            [batch.batch_id, remote_id, round(pause * 1000), self._slots.expiry, batch.epoch],
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
        lease, batch_ids, groups, hits, pause = self._connection.call(
            "tick", [self._keys.due, self._keys.groups, self._keys.hits], [limit, self._lease, _HITS]
        )
        return Tick(
            batches=self._read([batch_id.decode() for batch_id in batch_ids], lease.decode()),
            groups=tuple(Group.from_json(group) for group in groups),
            hits=tuple(Job.from_json(job) for job in hits),
            pause=pause / 1000 if pause >= 0 else None,
        )

    def postpone(self, batch: Batch, pause: float, announced: Sequence[int] = ()) -> bool:
        """Look again later.

        Args:
            batch: The batch.
            pause: Seconds.
            announced: How many jobs of each run Flower was told of by now; empty where it was told nothing new.

        Returns:
            False where the record is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        told = json.dumps(list(announced)) if announced else ""
        args: list[Argument] = [batch.batch_id, batch.lease, round(pause * 1000), self._slots.expiry, told]
        return bool(self._connection.call("postpone", self._record(batch), args))

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
        keys = [*self._record(batch), self._keys.queued]
        args: list[Argument] = [batch.batch_id, batch.lease]
        for run_id, (outcome, cacheable) in zip(batch.run_ids, outcomes, strict=True):
            keys += [self._keys.result(run_id), self._keys.run(run_id), self._keys.jobs(run_id)]
            args += [outcome, self._result_ttl if cacheable else 0]
        answer = self._connection.call("settle", keys, args)
        if not answer:
            return None
        announced, jobs = answer
        return _settled([outcome for outcome, _ in outcomes], jobs, announced)

    def unfinished(self, batch: Batch) -> list[Settled]:
        """What a settled record still asks to be finished.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            outcomes, jobs, announced = self._connection.client.hmget(
                self._keys.batch(batch.batch_id), ["outcomes", "jobs", "announced"]
            )
        return _settled(json.loads(outcomes or b"[]"), json.loads(jobs or b"[]"), announced or b"[]")

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
        fields = (
            *("state", "nonce", "group", "runs", "remote_id"),
            *("created_at", "submitted_at", "looks", "epoch", "begun"),
        )
        pipe = self._connection.pipeline()
        for batch_id in batch_ids:
            pipe.hmget(self._keys.batch(batch_id), fields)
        with translated():
            records = pipe.execute()
        return tuple(
            Batch(
                batch_id=batch_id,
                nonce=nonce.decode(),
                group=Group.from_json(group),
                run_ids=tuple(json.loads(runs)),
                state=state.decode(),
                lease=lease,
                remote_id=(remote_id or b"").decode(),
                created_at=int(created_at) / 1000,
                submitted_at=int(submitted_at or 0) / 1000,
                looks=int(looks or 0),
                epoch=int(epoch or 0),
                begun=bool(begun),
            )
            for batch_id, record in zip(batch_ids, records, strict=True)
            for state, nonce, group, runs, remote_id, created_at, submitted_at, looks, epoch, begun in [record]
            if state
        )
