"""The budget: how many jobs may wait for their counts at a time. Past it, newcomers are told so at the door.

The count changes in the very moves that begin and end a job's wait, so it cannot drift.
"""

from __future__ import annotations

from dataclasses import dataclass

from qstore.state.connection import Connection
from qstore.state.keys import Keys


@dataclass(frozen=True, slots=True)
class Budget:
    """How many may wait.

    Attributes:
        connection: To Redis.
        keys: Key names.
        limit: Jobs that may wait at most.
    """

    connection: Connection
    keys: Keys
    limit: int

    def waiting(self) -> int:
        """How many wait now.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        return self.connection.number(self.keys.queued)
