"""IonQ's backends and noise models, and what Qiskit may compile to for them. Nothing here asks the network."""

from __future__ import annotations

import difflib
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qiskit.transpiler import Target
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.ionq_backend import IonQBackend

from qstore.errors import UnknownBackendError


@dataclass(frozen=True, slots=True)
class Backend:
    """A quantum computer, or its simulator, as IonQ offers it.

    Attributes:
        name: IonQ's name, such as `simulator` or `qpu.forte-1`.
        qubits: Its qubits, every one connected with every other.
        simulator: Whether it is simulated.
    """

    name: str
    qubits: int
    simulator: bool


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        backend.name: backend
        for backend in (
            Backend("simulator", 29, simulator=True),
            Backend("qpu.aria-1", 25, simulator=False),
            Backend("qpu.aria-2", 25, simulator=False),
            Backend("qpu.forte-1", 36, simulator=False),
            Backend("qpu.forte-enterprise-1", 36, simulator=False),
        )
    }
)
"""Every backend by its name."""

NOISE_MODELS: tuple[str, ...] = (
    "ideal",
    "aria-1",
    "aria-2",
    "forte-1",
    "forte-enterprise-1",
    "harmony",
    "harmony-1",
    "harmony-2",
)
"""What the simulator can imitate."""


def find_backend(name: object) -> Backend:
    """The backend of that name.

    Args:
        name: IonQ's name; the prefix `ionq_`, as qiskit-ionq has it, is accepted.

    Raises:
        UnknownBackendError: There is none.
    """
    backend = BACKENDS.get(name.removeprefix("ionq_")) if isinstance(name, str) else None
    if backend is None:
        close = difflib.get_close_matches(str(name), BACKENDS, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UnknownBackendError(f"There is no backend {name!r}. {hint}There are {', '.join(BACKENDS)}.")
    return backend


def target(backend: Backend) -> Target:
    """What Qiskit may compile to for the backend: IonQ's `qis` gates, all qubits connected.

    Built once for each width, and shared; do not change it.
    """
    with _building:
        if not _targets:
            # All widths at once: qiskit-ionq adds to Qiskit's shared equivalence library as it builds,
            # which must not happen later, under the feet of a compiler in another thread.
            _targets.update((width, _build(width)) for width in {known.qubits for known in BACKENDS.values()})
        if backend.qubits not in _targets:
            _targets[backend.qubits] = _build(backend.qubits)
        return _targets[backend.qubits]


_building = threading.Lock()
_targets: dict[int, Target] = {}


def _build(width: int) -> Target:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IonQTranspileLevelWarning)
        # The base class: its subclasses ask the network for their width.
        backend = IonQBackend(
            provider=None,  # type: ignore[arg-type]  # only who runs something needs one
            name="ionq_simulator",
            description="",
            gateset="qis",
            num_qubits=width,
            simulator=True,
        )
    return backend.target
