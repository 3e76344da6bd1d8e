"""Carries executions from the outbox to the archive, in a thread of its own: no job ever waits for it.

Invariant: an entry leaves the outbox when the archive has it, or will never take it. A store that is away delays the
archive and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from qstore.errors import QstoreError, StoreUnavailableError, TransientError
from qstore.state.outbox import Outbox, Sent
from workers.archive import Archive
from workers.execution import Execution
from workers.turns import Turns

logger = logging.getLogger(__name__)

_MOST = 100  # executions written at once
_WAIT = 0.5  # seconds that one look at the outbox waits for something
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds until a store that is away is tried again, doubling


class Archivist:
    """Empties the outbox as long as it runs.

    Args:
        outbox: Where executions wait.
        archive: Where they go.
    """

    def __init__(self, outbox: Outbox, archive: Archive) -> None:
        self._outbox = outbox
        self._archive = archive
        self._held: list[Sent] = []
        self._pause = _PAUSE
        self._turns = Turns(self.turn, "qstore-archivist")

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._turns.start()

    def stop(self, timeout: float) -> None:
        """Finish what is in hand; what is left waits for another replica.

        Args:
            timeout: Seconds to wait for it.
        """
        self._turns.stop(timeout)
        if not self._held:
            with suppress(StoreUnavailableError):
                self._outbox.leave()

    def turn(self) -> float:
        """Archive what waits.

        Returns:
            Seconds until the next turn is worth while.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        self._held = self._held or self._outbox.take(_MOST, _WAIT)
        if not self._held:
            return 0.0
        try:
            self._archive_held()
        except StoreUnavailableError:
            raise
        except TransientError as error:
            pause = min(max(self._pause, getattr(error, "retry_after", None) or 0.0), _LONGEST_PAUSE)
            self._pause = 2 * pause
            logger.warning("%s executions wait %.0f s for the archive: %s", len(self._held), pause, error)
            return pause
        except Exception:
            self._held = []  # it is read again when its lease is over
            raise
        self._held, self._pause = [], _PAUSE
        return 0.0

    def _archive_held(self) -> None:
        """Write all at once, or, where the store does not take them so, one by one."""
        try:
            self._write(self._held)
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one must not hold up the others
            if len(self._held) == 1:
                self._refuse(self._held[0], error)
                return
            for sent in tuple(self._held):
                self._write_alone(sent)

    def _write_alone(self, sent: Sent) -> None:
        try:
            self._write([sent])
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            self._refuse(sent, error)
        self._held.remove(sent)

    def _write(self, entries: Sequence[Sent]) -> None:
        self._archive.write([Execution.of(sent) for sent in entries])
        self._outbox.done(entries)

    def _refuse(self, sent: Sent, error: Exception) -> None:
        why = str(error) if isinstance(error, QstoreError) else repr(error)
        logger.error("The archive does not take an execution, which stands among the refused now: %s", why)
        self._outbox.refuse(sent, why)
