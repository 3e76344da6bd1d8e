"""Which calibration each machine has, as IonQ said last, as long as that matters to anybody.

It matters while a batch is being sent or is at IonQ, and while results of the machine are stored; the moves that bring
these about put off its end (`lua/include/machine.lua`). Of all replicas one asks again when the time has come.
"""

from __future__ import annotations

from qstore.job import Batch
from qstore.state.connection import Connection, translated
from qstore.state.keys import Keys


class Calibrations:
    """Remembers calibrations by IonQ's ids.

    Args:
        connection: To Redis.
        keys: Key names.
        interval: Seconds until IonQ is asked again.
        lease: Seconds until a silent replica's batch is another's.
    """

    def __init__(self, connection: Connection, keys: Keys, *, interval: float, lease: float) -> None:
        self._connection = connection
        self._keys = keys
        self._interval = round(interval * 1000)
        self._matters = round(2 * lease * 1000)  # by then the next move has put it off

    def known(self, backend: str) -> str | None:
        """The id of a machine's calibration; empty where IonQ was asked and did not say, None where it was not asked.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            found = self._connection.client.get(self._keys.calibration(backend))
        return found.decode() if isinstance(found, bytes) else None

    def begin(self, backend: str, calibration: str) -> None:
        """Remember what IonQ said, and have it asked again from now on.

        Args:
            backend: IonQ's name.
            calibration: Its id; empty where IonQ did not say.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        key = self._keys.calibration(backend)
        self._connection.call("calibrate", [key, self._keys.calibrations], [calibration, self._matters, self._interval])

    def renew(self, backend: str, calibration: str) -> None:
        """Remember what IonQ says now, where it still matters.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        with translated():
            self._connection.client.set(self._keys.calibration(backend), calibration, xx=True, keepttl=True)

    def throughout(self, batch: Batch) -> str | None:
        """The calibration a batch was executed under: the one known when it was sent, where it is known still.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        return batch.calibration if batch.calibration and batch.calibration == self.known(batch.group.backend) else None
