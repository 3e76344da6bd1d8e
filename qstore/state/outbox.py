"""The outbox: what was executed waits here until the archive has it, however long the archive is away.

It is a Redis stream with one group of readers. Invariant: an entry leaves only once it is archived, or stands among
the refused; whoever dies with one in hand leaves it to another reader when its lease is over. Archiving is idempotent,
so an entry may be read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from qstore.state.connection import Connection, translated
from qstore.state.keys import Keys

_GROUP = "archive"
_UNREAD, _BEGINNING = ">", "0-0"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was executed.

    Attributes:
        entry_id: In the stream; begins with epoch milliseconds.
        head: JSON of the run.
        wire: The circuit as IonQ read it.
        outcome: JSON of what it gave.
    """

    entry_id: str
    head: bytes
    wire: bytes
    outcome: bytes


class Outbox:
    """Reads the stream.

    Args:
        connection: To Redis.
        keys: Key names.
        reader: Names this replica among the readers.
        lease: Seconds after which what a reader has in hand is another's.
    """

    def __init__(self, connection: Connection, keys: Keys, reader: str, lease: float) -> None:
        self._connection = connection
        self._key = keys.outbox
        self._refused = keys.outbox_refused
        self._reader = reader
        self._lease = round(lease * 1000)

    def take(self, count: int, wait: float) -> list[Sent]:
        """What a dead reader left, else what nobody has read yet.

        Args:
            count: Entries at most.
            wait: Seconds to wait for the first one; less than the connection's own deadline.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            try:
                return self._left_behind(count) or self._unread(count, wait)
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):  # the stream went, or is new
                    raise
                self._begin()
                return self._unread(count, wait)

    def _begin(self) -> None:
        """Make stream and group; another replica may be as fast."""
        try:
            self._connection.client.xgroup_create(self._key, _GROUP, id=_BEGINNING, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _left_behind(self, count: int) -> list[Sent]:
        _, entries, *_ = self._client.xautoclaim(
            self._key, _GROUP, self._reader, min_idle_time=self._lease, count=count
        )
        return [_sent(entry_id, fields) for entry_id, fields in entries if fields]

    def _unread(self, count: int, wait: float) -> list[Sent]:
        answer = self._client.xreadgroup(
            _GROUP, self._reader, {self._key: _UNREAD}, count=count, block=max(1, round(wait * 1000))
        )
        return [_sent(entry_id, fields) for _, entries in answer or () for entry_id, fields in entries]

    def done(self, entries: Sequence[Sent]) -> None:
        """They are archived.

        Raises:
            StoreUnavailableError: Redis does not answer; they will be read again.
        """
        if not entries:
            return
        ids = [entry.entry_id for entry in entries]
        pipe = self._connection.pipeline()
        pipe.xack(self._key, _GROUP, *ids)
        pipe.xdel(self._key, *ids)
        with translated():
            pipe.execute()

    def refuse(self, entry: Sent, why: str) -> None:
        """The archive will never take it: keep it where an operator finds it, and out of the others' way.

        Raises:
            StoreUnavailableError: Redis does not answer; it will be read again.
        """
        fields: dict[Any, Any] = {"head": entry.head, "wire": entry.wire, "outcome": entry.outcome, "why": why}
        with translated():
            self._connection.client.xadd(self._refused, fields)
        self.done([entry])

    def leave(self) -> None:
        """Be no reader any more; one that has something in hand stays, for that to be another's when its lease is over.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            readers = self._client.xinfo_consumers(self._key, _GROUP) if self._client.exists(self._key) else []
            if any(each["name"].decode() == self._reader and not each["pending"] for each in readers):
                self._client.xgroup_delconsumer(self._key, _GROUP, self._reader)

    @property
    def _client(self) -> Any:
        # redis-py's types of stream answers are those of two protocols at once
        return self._connection.client


def _sent(entry_id: bytes, fields: dict[bytes, bytes]) -> Sent:
    return Sent(entry_id.decode(), fields[b"head"], fields[b"wire"], fields[b"outcome"])
