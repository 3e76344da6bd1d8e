"""Canonical circuits to the bytes IonQ reads.

The invariant: bit i of IonQ's basis states is qubit i of the canonical circuit (`qis`), or clbit i (`qasm3`),
whatever the optimizer did to the wires.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence

from qiskit import QuantumCircuit, qasm3
from qiskit.transpiler import PassManager, generate_preset_pass_manager

from qstore.circuits.border import refusing
from qstore.circuits.canonical import Canonical
from qstore.circuits.flat import Step, flatten
from qstore.circuits.minimal import is_minimal
from qstore.circuits.targets import BACKENDS, Backend, target
from qstore.circuits.wire import write
from qstore.errors import CircuitTooLargeError, CircuitTooWideError, UnsupportedCircuitError

# Qiskit's threads do not survive a fork, and a child that compiles would wait for them for ever
os.register_at_fork(after_in_child=lambda: os.environ.setdefault("QISKIT_IN_PARALLEL", "TRUE"))

MAX_GATES = 150_000
"""The most gates IonQ takes in one job."""

MAX_WIRE_BYTES = 8_000_000
"""The most bytes of one circuit: IonQ has a limit and does not say which, this is a careful guess."""

_FEW = 64  # gates, written faster than Redis is asked whether they are needed
_SHORT = 16_384  # bytes, sent along faster than Redis is asked whether they are needed


class Compiler:
    """Compiles for any backend at any level, from any thread, and remembers what it compiled.

    Args:
        capacity: Compiled circuits remembered.
        capacity_bytes: The most they may take together, bytes.
    """

    def __init__(self, capacity: int = 1024, capacity_bytes: int = 64_000_000) -> None:
        self._recent = _Recent(capacity, capacity_bytes)
        # A PassManager serves one thread at a time. Here are those that nobody uses just now.
        self._idle: dict[tuple[int, int], deque[PassManager]] = {}

    def compile(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes:
        """The circuit as IonQ reads it.

        Levels 0 and 1 give the same bytes every time. At levels 2 and 3 Qiskit takes other decompositions from
        one run to the next, and drops multi-qubit gates that turn by about a microradian or less, which no
        number of shots could tell.

        Args:
            canonical: The circuit.
            backend: Where it is to run.
            optimization_level: Qiskit's, 0 to 3.

        Returns:
            For `qis` a compact JSON array of gates; for `qasm3` a JSON string of OpenQASM 3 text whose classical
            register is `c`.

        Raises:
            CircuitTooWideError: The backend has fewer qubits.
            CircuitTooLargeError: There are too many gates or bytes, before or after compilation.
            UnsupportedCircuitError: Qiskit cannot compile it.
        """
        check_fit(canonical, backend)
        key = (canonical.fingerprint, backend.qubits, optimization_level)
        wire = self._recent.get(key)
        if wire is None:
            wire = (
                self._gate_list(canonical, backend, optimization_level)
                if canonical.format == "qis"
                else self._openqasm(canonical, backend, optimization_level)
            )
            if len(wire) > MAX_WIRE_BYTES:
                raise CircuitTooLargeError(f"The circuit takes {len(wire):,} bytes, IonQ at most {MAX_WIRE_BYTES:,}.")
            self._recent.put(key, wire)
        return wire

    def ready(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes | None:
        """What `compile` would return, where that takes no time worth saving; else None.

        Args:
            canonical: The circuit; it has to fit the backend.
            backend: Where it is to run.
            optimization_level: Qiskit's, 0 to 3.
        """
        wire = self._recent.get((canonical.fingerprint, backend.qubits, optimization_level))
        if wire is None and canonical.gates <= _FEW and _is_ready(canonical, backend, optimization_level):
            wire = write(canonical.steps)
        return wire if wire is None or len(wire) <= _SHORT else None

    def _gate_list(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes:
        steps: Sequence[Step] = canonical.steps
        if not _is_ready(canonical, backend, optimization_level):
            compiled = self._run(canonical, backend, optimization_level)
            _check_gates(compiled.size())
            steps = _in_logical_order(flatten(compiled), compiled)
        return write(steps)

    def _openqasm(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes:
        """OpenQASM 3. Measurements name their wires, so a renaming of wires is already part of it."""
        compiled = self._run(canonical, backend, optimization_level)
        _check_gates(compiled.size())
        with refusing(UnsupportedCircuitError, "The circuit cannot be written as OpenQASM 3"):
            return json.dumps(qasm3.dumps(compiled)).encode()

    def _run(self, canonical: Canonical, backend: Backend, optimization_level: int) -> QuantumCircuit:
        idle = self._idle.setdefault((backend.qubits, optimization_level), deque())
        with refusing(UnsupportedCircuitError, "The circuit cannot be compiled"):
            try:
                passes = idle.pop()
            except IndexError:
                staged = generate_preset_pass_manager(optimization_level=optimization_level, target=target(backend))
                # a staged one lays its stages out afresh in every run
                passes = PassManager(staged.to_flow_controller().tasks)
            compiled = passes.run(canonical.build())
        idle.append(passes)
        return compiled


def check_fit(canonical: Canonical, backend: Backend) -> None:
    """Make sure that a circuit is no wider and no longer than the backend takes, before it is compiled.

    Raises:
        CircuitTooWideError: The backend has fewer qubits.
        CircuitTooLargeError: There are too many gates.
    """
    width = canonical.qubits
    if width > backend.qubits:
        wider = [other.name for other in BACKENDS.values() if other.qubits >= width]
        remedy = f"it would fit on {', '.join(wider)}" if wider else "no backend is wide enough"
        raise CircuitTooWideError(f"The circuit has {width} qubits, {backend.name} has {backend.qubits}: {remedy}.")
    _check_gates(canonical.gates)


def _is_ready(canonical: Canonical, backend: Backend, optimization_level: int) -> bool:
    """Whether the compiler would leave the circuit as it is."""
    return (
        canonical.format == "qis"
        and optimization_level <= 1
        and is_minimal(canonical.steps, target(backend).operation_names)
    )


def _check_gates(gates: int) -> None:
    if gates > MAX_GATES:
        raise CircuitTooLargeError(f"The circuit has {gates:,} gates, IonQ takes at most {MAX_GATES:,}.")


def _in_logical_order(steps: Sequence[Step], compiled: QuantumCircuit) -> Sequence[Step]:
    """The steps of a compiled circuit with every wire named after the qubit that ends on it.

    From level 2 on Qiskit turns swaps into a renaming and says so in the layout. All wires begin in the same
    state and are connected alike, so that renaming them back is free.
    """
    if compiled.layout is None:
        return steps
    wire_of = compiled.layout.final_index_layout()
    qubit_of = {wire: qubit for qubit, wire in enumerate(wire_of)}
    return [step._replace(qubits=tuple([qubit_of[wire] for wire in step.qubits])) for step in steps]


class _Recent:
    """The wires used last, bounded in number and in bytes. Safe in threads."""

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._wires: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int, int]) -> bytes | None:
        with self._lock:
            wire = self._wires.get(key)
            if wire is not None:
                self._wires.move_to_end(key)
            return wire

    def put(self, key: tuple[str, int, int], wire: bytes) -> None:
        with self._lock:
            self._bytes += len(wire) - len(self._wires.pop(key, b""))
            self._wires[key] = wire
            while len(self._wires) > self._capacity or self._bytes > self._capacity_bytes:
                _, oldest = self._wires.popitem(last=False)
                self._bytes -= len(oldest)
