"""Asks IonQ how machines are calibrated: before the first batch for one is sent, and from time to time after that.

Invariant: nothing waits long for it, and nothing fails by it. What IonQ does not say is not known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from qstore.circuits.targets import find_backend
from qstore.errors import QstoreError, StoreUnavailableError
from qstore.state.calibrations import Calibrations
from workers.ionq import IonQ

logger = logging.getLogger(__name__)


class Calibrate:
    """Keeps what is known of machines up to date.

    Args:
        ionq: The session.
        calibrations: What is known.
        guard: Held around each request; it may refuse one by raising `BreakerOpen`.
    """

    def __init__(
        self, ionq: IonQ, calibrations: Calibrations, guard: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._ionq = ionq
        self._calibrations = calibrations
        self._guard = guard

    def ensure(self, backend: str) -> None:
        """Ask for a machine's calibration, where that was not done yet.

        Args:
            backend: Where a batch is about to be sent; the simulator has no calibration.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if not find_backend(backend).simulator and self._calibrations.known(backend) is None:
            self._calibrations.begin(backend, self._ask(backend))

    def renew(self, backends: Sequence[str]) -> None:
        """Ask for the calibrations of machines again; what IonQ does not say changes nothing.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        for backend in backends:
            if calibration := self._ask(backend):
                self._calibrations.renew(backend, calibration)

    def _ask(self, backend: str) -> str:
        try:
            with self._guard():
                return self._ionq.calibration(backend)
        except StoreUnavailableError:
            raise
        except QstoreError as error:
            logger.warning("The calibration of %s is not known: %s", backend, error)
            return ""
