"""The backends there are, and how each errs.

The error figures are round numbers of the right size for the hardware's generation; they are nobody's calibration.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noise:
    """How often an operation goes wrong, as probabilities.

    Attributes:
        one_qubit: Of a gate on one qubit.
        two_qubit: Of a gate on more.
        readout: Of one bit read out at the end.
    """

    one_qubit: float
    two_qubit: float
    readout: float


_HARMONY = Noise(one_qubit=0.005, two_qubit=0.03, readout=0.004)
_ARIA = Noise(one_qubit=0.0005, two_qubit=0.008, readout=0.004)
_FORTE = Noise(one_qubit=0.0003, two_qubit=0.005, readout=0.005)

NOISE_MODELS: dict[str, Noise | None] = {
    "ideal": None,
    "harmony": _HARMONY,
    "harmony-1": _HARMONY,
    "harmony-2": _HARMONY,
    "aria-1": _ARIA,
    "aria-2": _ARIA,
    "forte-1": _FORTE,
    "forte-enterprise-1": _FORTE,
}
"""What the simulator's `noise.model` may be; None is exact."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a job can run.

    Attributes:
        name: IonQ's name.
        qubits: The widest circuit it takes.
        noise: How it errs; None for the simulator, whose jobs say so themselves.
    """

    name: str
    qubits: int
    noise: Noise | None = None

    @property
    def simulator(self) -> bool:
        """Whether it is the free simulator rather than hardware."""
        return self.noise is None


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("simulator", 29),
        Backend("qpu.aria-1", 25, _ARIA),
        Backend("qpu.aria-2", 25, _ARIA),
        Backend("qpu.forte-1", 36, _FORTE),
        Backend("qpu.forte-enterprise-1", 36, _FORTE),
        Backend("qpu.forte-enterprise-2", 36, _FORTE),
        Backend("qpu.forte-enterprise-3", 36, _FORTE),
    )
}
"""Every backend by its name."""
