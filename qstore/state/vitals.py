"""What metrics and health checks tell of the shared state, read in one trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qstore.state.breaker import Breaker
from qstore.state.connection import Connection, translated
from qstore.state.keys import Keys
from qstore.state.slots import Slots


@dataclass(frozen=True, slots=True)
class Reading:
    """The shared state at one moment.

    Attributes:
        waiting: Jobs that wait for counts.
        in_flight: IonQ jobs under way.
        outbox: Executions that are not archived yet.
        refused: Executions that the archive does not take.
        breakers: `closed`, `open` or `half_open`, of each breaker.
    """

    waiting: int
    in_flight: int
    outbox: int
    refused: int
    breakers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vitals:
    """Reads it.

    Attributes:
        connection: To Redis.
        keys: Key names.
        slots: Of the account.
        breakers: Those to tell of, by what they are called there.
    """

    connection: Connection
    keys: Keys
    slots: Slots
    breakers: Mapping[str, Breaker]

    def read(self) -> Reading:
        """How it is now.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        pipe = self.connection.pipeline()
        pipe.get(self.keys.queued)
        pipe.zcard(self.slots.key)
        pipe.xlen(self.keys.outbox)
        pipe.xlen(self.keys.outbox_refused)
        for breaker in self.breakers.values():
            pipe.hget(breaker.keys[0], "state")
        with translated():
            waiting, in_flight, outbox, refused, *states = pipe.execute()
        told = (state.decode() if state else "closed" for state in states)
        return Reading(int(waiting or 0), in_flight, outbox, refused, dict(zip(self.breakers, told, strict=True)))
