"""From waiting runs to one IonQ job: runs leave their group only into a batch record, and come back only whole."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qstore.job import Batch, Group, Job, Run
from qstore.state.connection import Connection, translated
from qstore.state.keys import Keys


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run of a batch.

    Attributes:
        run: The run.
        attempts: How often IonQ did not take it.
    """

    run: Run
    attempts: int


class Batches:
    """Takes batches from groups.

    Args:
        connection: To Redis.
        keys: Key names.
        batch_size: Circuits in one IonQ job.
        batch_timeout: Seconds a partial batch waits for company.
        lease: Seconds until a taken batch is another replica's.
    """

    def __init__(self, connection: Connection, keys: Keys, batch_size: int, batch_timeout: float, lease: float) -> None:
        self._connection = connection
        self._keys = keys
        self._batch_size = batch_size
        self._batch_timeout = round(batch_timeout * 1000)
        self._lease = round(lease * 1000)

    def take(self, group: Group) -> tuple[Batch | None, bool]:
        """Move waiting runs into a new batch record with an intent and a nonce.

        Returns:
            The batch, or None where no batch may leave yet; and whether another full one waits.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, name = self._keys, group.to_json()
        batch_id = secrets.token_hex(8)
        nonce = secrets.token_hex(12)
        taken = self._connection.call(
            "take",
            [keys.pending(name), keys.groups, keys.batch(batch_id), keys.due],
            [name, 1 if group.solo else self._batch_size, self._batch_timeout, batch_id, nonce, self._lease],
        )
        if not taken:
            return None, False
        run_ids, lease, now, more = taken
        batch = Batch(
            batch_id=batch_id,
            nonce=nonce,
            group=group,
            run_ids=tuple(run_id.decode() for run_id in run_ids),
            state="intent",
            lease=lease.decode(),
            created_at=int(now) / 1000,
        )
        return batch, bool(more)

    def begin(self, batch: Batch) -> tuple[Batch, list[Loaded]] | None:
        """Make ready to send a batch: with a whole lease before it, and its circuits.

        Returns:
            The batch under its new lease, and its runs in its order; None where it is no longer the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys = [self._keys.due, *(self._keys.run(run_id) for run_id in batch.run_ids)]
        begun = self._connection.call("begin", keys, [batch.batch_id, batch.lease, self._lease])
        if not begun:
            return None
        lease, runs = begun
        loaded = [Loaded(Run.from_fields(head, wire), int(attempts or 0)) for head, wire, attempts in runs]
        return replace(batch, lease=lease.decode()), loaded

    def load(self, batch: Batch) -> list[Loaded]:
        """Read the runs of a batch, in its order, without the wires.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        runs = self._connection.call("load", [self._keys.run(run_id) for run_id in batch.run_ids], [])
        return [Loaded(Run.from_fields(head, b""), int(attempts or 0)) for head, attempts in runs]

    def waiting(self, batch: Batch) -> list[list[Job]]:
        """For each run of a batch who waits for it, the one that caused it first.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self._connection.pipeline()
        for run_id in batch.run_ids:
            pipe.lrange(self._keys.jobs(run_id), 0, -1)
        with translated():
            return [[Job.from_json(job) for job in jobs] for jobs in pipe.execute()]

    def put_back(self, batch: Batch, pause: float) -> bool:
        """Return the runs of a batch that IonQ certainly did not take to the head of their group.

        Args:
            batch: The batch.
            pause: Seconds until they may leave again.

        Returns:
            Whether the batch was still the caller's.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        keys, name = self._keys, batch.group.to_json()
        runs: Sequence[str] = [keys.run(run_id) for run_id in batch.run_ids]
        returned = self._connection.call(
            "put_back",
            [keys.batch(batch.batch_id), keys.due, keys.pending(name), keys.groups, *runs],
            [batch.batch_id, batch.lease, name, round(pause * 1000)],
        )
        return bool(returned)
