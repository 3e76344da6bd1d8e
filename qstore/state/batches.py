"""From waiting runs to one IonQ job: runs leave their group only into a batch record, and come back only whole."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qstore.job import Batch, Group, Job, Run
from qstore.state.breaker import Breakers
from qstore.state.connection import Argument, Connection, translated
from qstore.state.entry import Telling
from qstore.state.keys import Keys
from qstore.state.slots import Slots


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run of a batch.

    Attributes:
        run: The run.
        attempts: How often IonQ did not take it.
        archive_age: Seconds; an archived outcome must be younger to answer for it; 0 for none.
    """

    run: Run
    attempts: int
    archive_age: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for a batch.

    Attributes:
        batch: The batch; None where none may leave now.
        more: Whether another full one waits.
        busy: Whether one only waits for another to get out of its way, which may be soon.
    """

    batch: Batch | None = None
    more: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Offers:
    """How often runs that IonQ did not take are offered again.

    Attributes:
        max_retries: Times.
        retry_timeout: Seconds of pauses, added up.
    """

    max_retries: int = 3
    retry_timeout: float = 600.0


class Batches:
    """Takes batches from groups.

    Args:
        connection: To Redis.
        keys: Key names.
        slots: How many batches may be in flight.
        breakers: Which backends may be sent to.
        offers: How often runs may come back.
        batch_size: Circuits in one IonQ job.
        batch_timeout: Seconds a partial batch waits for company.
        lease: Seconds until a taken batch is another replica's.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        slots: Slots,
        breakers: Breakers,
        offers: Offers,
        *,
        batch_size: int,
        batch_timeout: float,
        lease: float,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._slots = slots
        self._breakers = breakers
        self._offers = offers
        self._batch_size = batch_size
        self._batch_timeout = round(batch_timeout * 1000)
        self._lease = round(lease * 1000)

    def take(self, group: Group) -> Taken:
        """Move waiting runs into a new batch record with an intent, a nonce, a slot and a permit.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, slots, breaker, name = self._keys, self._slots, self._breakers.submit(group.backend), group.to_json()
        batch_id = secrets.token_hex(8)
        nonce = secrets.token_hex(12)
        size = 1 if group.solo else self._batch_size
        answer, *taken = self._connection.call(
            "take",
            [
                *(keys.pending(name), keys.groups, keys.batch(batch_id), keys.due),
                *(slots.key, keys.hold(name), *breaker.keys),
            ],
            [
                *(name, size, self._batch_timeout, batch_id, nonce, self._lease),
                *(slots.limit, slots.expiry, *breaker.rules.arguments),
            ],
        )
        if answer != b"taken":
            return Taken(busy=answer == b"busy")
        run_ids, lease, now, epoch, more = taken
        batch = Batch(
            batch_id=batch_id,
            nonce=nonce,
            group=group,
            run_ids=tuple(run_id.decode() for run_id in run_ids),
            state="intent",
            lease=lease.decode(),
            created_at=int(now) / 1000,
            epoch=epoch,
        )
        return Taken(batch, more=bool(more))

    def begin(self, batch: Batch) -> tuple[Batch, list[Loaded]] | None:
        """Make ready to send a batch: with a whole lease before it, and the circuits somebody still waits for.

        Returns:
            The batch under its new lease, and its runs in its order, none where nobody waits for any and it is no
            more; None where it is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, group = self._keys, batch.group.to_json()
        begun = self._connection.call(
            "begin",
            [
                *(keys.batch(batch.batch_id), keys.due, self._slots.key),
                *(keys.pending(group), keys.groups, keys.expiring, keys.calibration(batch.group.backend)),
                *self._runs(batch),
                *self._jobs(batch),
            ],
            [batch.batch_id, batch.lease, self._lease, group],
        )
        if not begun:
            return None
        lease, run_ids, runs = begun
        loaded = [Loaded(Run.from_fields(head, wire), int(attempts or 0)) for head, wire, attempts in runs]
        wanted = tuple(run_id.decode() for run_id in run_ids)
        return replace(batch, run_ids=wanted, lease=lease.decode(), begun=True), loaded

    def load(self, batch: Batch, *, ended: bool = False) -> list[Loaded]:
        """Read the runs of a batch, in its order, without the wires.

        Args:
            batch: The batch.
            ended: Whether its job has ended at IonQ: then its slot is free for another.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        runs = self._connection.call("load", [self._slots.key, *self._runs(batch)], [batch.batch_id if ended else ""])
        return [
            Loaded(Run.from_fields(head, b""), int(attempts or 0), int(archive or 0) / 1000)
            for head, attempts, archive in runs
        ]

    def waiting(self, batch: Batch) -> list[Job]:
        """Who waits for its runs, in their order; of each run the one that caused it first.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        for key in self._jobs(batch):
            pipe.lrange(key, 0, -1)
        with translated():
            return [Job.from_json(job) for jobs in pipe.execute() for job in jobs]

    def deserted(self, batch: Batch) -> bool:
        """Whether nobody waits for any of its runs.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            return not self._connection.client.exists(*self._jobs(batch))

    def put_back(self, batch: Batch, pause: float, *, blame: bool, tellings: Sequence[Telling] = ()) -> str:
        """Return the runs of a batch that IonQ certainly did not take, or gave up for us, to where they stood.

        A run nobody waits for any more ends here.

        Args:
            batch: The batch.
            pause: Seconds until they may leave again.
            blame: Whether this counts among the times they may be offered; never while the breaker is not closed.
            tellings: What the jobs that wait for them say from then on.

        Returns:
            `returned`; `lost` where the batch is no longer the caller's; `exhausted` where they were offered often
            enough, and nothing was done.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, name, breaker = self._keys, batch.group.to_json(), self._breakers.submit(batch.group.backend)
        args: list[Argument] = [batch.batch_id, batch.lease, name, round(pause * 1000), int(blame)]
        args += [self._offers.max_retries, round(self._offers.retry_timeout * 1000)]
        args += [tellings[0].expires if tellings else 0, *(each.value for each in tellings)]
        answer = self._connection.call(
            "put_back",
            [
                *(keys.batch(batch.batch_id), keys.due, keys.pending(name), keys.groups),
                *(self._slots.key, keys.hold(name), breaker.keys[0]),
                *self._runs(batch),
                *self._jobs(batch),
                *(key for each in tellings for key in (each.job, each.key)),
            ],
            args,
        )
        return ("lost", "returned", "exhausted")[answer]

    def split(self, batch: Batch) -> tuple[Group, Group] | None:
        """Make each half of a batch a group of its own, which may leave at once.

        Returns:
            The groups; None where the batch is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys = self._keys
        first, second = (replace(batch.group, half=f"{batch.batch_id}.{number}") for number in (1, 2))
        split = self._connection.call(
            "split",
            [
                *(keys.batch(batch.batch_id), keys.due, keys.groups, self._slots.key),
                *(keys.pending(half.to_json()) for half in (first, second)),
                *self._runs(batch),
                *self._jobs(batch),
            ],
            [batch.batch_id, batch.lease, first.to_json(), second.to_json()],
        )
        return (first, second) if split else None

    def part(self, batch: Batch, run_ids: Sequence[str]) -> tuple[Batch, Batch] | None:
        """Make some runs of a batch that is not begun a batch of their own, which needs no slot and no permit.

        Args:
            batch: The batch.
            run_ids: Some of its runs, not all.

        Returns:
            Those, and the rest; None where the batch is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, batch_id, some = self._keys, secrets.token_hex(8), set(run_ids)
        parted = tuple(run_id for run_id in batch.run_ids if run_id in some)
        rest = tuple(run_id for run_id in batch.run_ids if run_id not in some)
        lease = self._connection.call(
            "part",
            [keys.batch(batch.batch_id), keys.due, keys.batch(batch_id)],
            [batch.batch_id, batch.lease, batch_id, json.dumps(parted), json.dumps(rest), self._lease],
        )
        if not lease:
            return None
        return (
            replace(batch, batch_id=batch_id, nonce="", run_ids=parted, lease=lease.decode()),
            replace(batch, run_ids=rest),
        )

    def _runs(self, batch: Batch) -> list[str]:
        return [self._keys.run(run_id) for run_id in batch.run_ids]

    def _jobs(self, batch: Batch) -> list[str]:
        return [self._keys.jobs(run_id) for run_id in batch.run_ids]
