"""Canceled and expired jobs: each leaves what it waits for, and ends like any other, as a settled record.

Invariant: a job leaves and its end is recorded in one move, so it is neither lost nor finished twice, and whoever
joined the same run still gets counts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qstore.answer import to_answer
from qstore.errors import JobRevokedError
from qstore.job import Group, Job, mark
from qstore.state.connection import Call, Connection, translated
from qstore.state.entry import Telling
from qstore.state.keys import Keys

Reason = Literal["revoked", "expired"]

_AGAIN = 20  # looks at a run that moves on while it is looked at
_GLANCE = 500  # jobs in one trip


@dataclass(frozen=True, slots=True)
class _Sighting:
    """Where a job's run was a moment ago."""

    job_id: str
    run_id: str
    group: Group
    pending: str
    batch: str  # the key of its record; empty for none


class Cancellations:
    """Ends jobs before their runs do.

    Args:
        connection: To Redis.
        keys: Key names.
        telling: What the entry of a job says that ends for a reason.
    """

    def __init__(self, connection: Connection, keys: Keys, telling: Callable[[str, Reason], Telling]) -> None:
        self._connection = connection
        self._keys = keys
        self._telling = telling

    def cancel(self, job_ids: Sequence[str], reason: Reason = "revoked") -> list[bool]:
        """End jobs that still wait.

        Those that expired stay where their circuits are on the way to IonQ or there already.

        Args:
            job_ids: Which.
            reason: Why.

        Returns:
            For each whether it was ended by this call; not so where it does not wait (any more).

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        once = list(dict.fromkeys(job_ids))
        ended = {
            job for start in range(0, len(once), _GLANCE) for job in self._end(once[start : start + _GLANCE], reason)
        }
        return [job_id in ended for job_id in job_ids]

    def stamped(self, stamps: Mapping[str, Any]) -> list[str]:
        """Ids of waiting jobs that carry one of these stamps.

        Looks at every waiting job, so it is for operators and not for programs.

        Args:
            stamps: Values by header, as Celery's `revoke_by_stamped_headers` takes them.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        wanted = {(header, str(value)) for header, values in stamps.items() for value in _listed(values)}
        found: list[str] = []
        with translated():
            lists = list(self._connection.client.scan_iter(f"{self._keys.jobs('')}*", count=_GLANCE))
            for start in range(0, len(lists), _GLANCE):
                pipe = self._connection.pipeline()
                for key in lists[start : start + _GLANCE]:
                    pipe.lrange(key, 0, -1)
                jobs = [Job.from_json(text) for texts in pipe.execute() for text in texts]
                found += [
                    job.job_id
                    for job in jobs
                    for header, values in (job.stamps or {}).items()
                    if any((header, str(value)) in wanted for value in _listed(values))
                ]
        return list(dict.fromkeys(found))

    def _end(self, job_ids: Sequence[str], reason: Reason) -> set[str]:
        """End some jobs, in a few trips; return which were ended."""
        ended: set[str] = set()
        left = list(job_ids)
        for _ in range(_AGAIN):
            seen = list(self._find(left))
            answers = self._connection.call_many("cancel", [self._call(each, reason) for each in seen])
            told = {each.job_id: answer for each, answer in zip(seen, answers, strict=True)}
            ended |= {job_id for job_id, answer in told.items() if answer == b"left"}
            left = [job_id for job_id, answer in told.items() if answer == b"moved"]
            if not left:
                break
        return ended

    def _find(self, job_ids: Sequence[str]) -> Iterator[_Sighting]:
        """Where the jobs' runs are, in two trips; nothing of those that do not wait."""
        keys = self._keys
        run_ids = self._read([("GET", keys.job(job_id)) for job_id in job_ids])
        waiting = [(job_id, run_id.decode()) for job_id, run_id in zip(job_ids, run_ids, strict=True) if run_id]
        runs = self._read([("HMGET", keys.run(run_id), "head", "pending", "batch") for _, run_id in waiting])
        for (job_id, run_id), (head, pending, batch) in zip(waiting, runs, strict=True):
            if head:  # else it is settled, and about to be finished
                group = Group(**json.loads(head)["group"])
                yield _Sighting(job_id, run_id, group, pending.decode(), (batch or b"").decode())

    def _read(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        if not commands:
            return []
        pipe = self._connection.pipeline()
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own lack
        with translated():
            return list(pipe.execute())

    def _call(self, seen: _Sighting, reason: Reason) -> Call:
        keys, record = self._keys, secrets.token_hex(8)
        telling, group = self._telling(seen.job_id, reason), seen.group.to_json()
        in_half = seen.pending != keys.pending(group)
        return (
            [
                *(telling.job, keys.run(seen.run_id), keys.jobs(seen.run_id), seen.pending, keys.groups, telling.key),
                *(keys.queued, keys.expiring, keys.batch(record), keys.due, seen.batch or keys.batch("")),
            ],
            [
                *(seen.job_id, seen.run_id, mark(seen.job_id), reason, seen.batch, telling.value, telling.expires),
                *(record, group, to_answer(JobRevokedError(reason))),
                *(seen.batch.removeprefix(keys.batch("")), "" if in_half else group),
            ],
        )


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple | set) else [values]
