"""When machines were characterized: once as the stand-in begins, and again whenever it is told to.

The invariant: a machine's current characterization is its newest, and those before it stay as they were.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstore.sandbox.ionq.backends import BACKENDS, Backend
from qstore.sandbox.ionq.documents import PROJECT_ID, characterization


@dataclass(frozen=True, slots=True)
class Characterization:
    """How a machine erred at one time.

    Attributes:
        id: Its name at IonQ.
        measured_at: Epoch seconds.
    """

    id: str
    measured_at: float


class Characterizations:
    """Those of every machine.

    Args:
        clock: Epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, list[Characterization]] = {}
        for backend in BACKENDS.values():
            if not backend.simulator:
                self.measure(backend)

    def measure(self, backend: Backend) -> str:
        """Characterize a machine anew; return the id."""
        known = self._known.setdefault(backend.name, [])
        name = f"{backend.name} {len(known)}" if known else backend.name
        made = Characterization(str(uuid.uuid5(uuid.UUID(PROJECT_ID), name)), self._clock())
        known.append(made)
        return made.id

    def current(self, backend: Backend) -> str | None:
        """The id of the newest; None for the simulator."""
        known = self._known.get(backend.name)
        return known[-1].id if known else None

    def between(self, backend: Backend, start: float, end: float) -> list[dict[str, Any]]:
        """Those measured from start until before end (epoch seconds), newest first."""
        known = reversed(self._known.get(backend.name, []))
        return [
            characterization(backend, each.id, each.measured_at) for each in known if start <= each.measured_at < end
        ]

    def find(self, backend: Backend, characterization_id: str) -> dict[str, Any] | None:
        """The one of that id; None where there is none."""
        for each in self._known.get(backend.name, []):
            if each.id == characterization_id:
                return characterization(backend, each.id, each.measured_at)
        return None
