"""Slots: how many IonQ jobs may be in flight at a time, of all replicas together.

A batch takes its slot in the move that makes it, and gives it back in the move that ends it. Every look renews it, so
the slots of whoever is dead are taken over with the batch, and run out only where nobody is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from qstore.state.connection import Connection
from qstore.state.keys import Keys

_LEASES = 3  # a batch is looked at, or taken over, more often than this


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of one account.

    Attributes:
        connection: To Redis.
        keys: Key names.
        account: Stands for the API key.
        limit: IonQ jobs in flight at most.
        lease: Seconds until a silent replica's batch is another's.
    """

    connection: Connection
    keys: Keys
    account: str
    limit: int
    lease: float

    @property
    def key(self) -> str:
        """Where they are in Redis."""
        return self.keys.slots(self.account)

    @property
    def expiry(self) -> int:
        """Milliseconds without a look after which a slot is free again."""
        return round(self.lease * _LEASES * 1000)

    def in_flight(self) -> int:
        """How many are taken.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        return self.connection.set_size(self.key)
