"""Canonical circuits to the bytes IonQ reads.

The invariant: bit i of IonQ's basis states is qubit i of the canonical circuit (`qis`), or clbit i (`qasm3`),
whatever the optimizer did to the wires.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Sequence

import qiskit
import qiskit_ionq
from qiskit import QuantumCircuit, qasm3
from qiskit.transpiler import PassManager, generate_preset_pass_manager

from qstore.circuits.border import refusing
from qstore.circuits.canonical import Canonical
from qstore.circuits.flat import Step, flatten
from qstore.circuits.peephole import simplify
from qstore.circuits.recent import Recent
from qstore.circuits.targets import BACKENDS, Backend, target
from qstore.circuits.translation import Translation
from qstore.circuits.wire import write
from qstore.errors import CircuitTooLargeError, CircuitTooWideError, UnsupportedCircuitError

# Qiskit's threads do not survive a fork, and a child that compiles would wait for them for ever
os.register_at_fork(after_in_child=lambda: os.environ.setdefault("QISKIT_IN_PARALLEL", "TRUE"))

MAX_GATES = 150_000
"""The most gates IonQ takes in one job."""

MAX_WIRE_BYTES = 8_000_000
"""The most bytes of one circuit: IonQ has a limit and does not say which, this is a careful guess."""

VERSION = "qstore-compiler-2"
"""Changes whenever the same circuit would be compiled to other bytes."""

SHORT_WIRE_BYTES = 16_384
"""What is sent along faster than Redis is asked whether it is needed."""

_FEW = 64  # gates, compiled faster than Redis is asked whether they are needed
_MERGED = 4  # times as many gates as IonQ takes may be there before they are merged


class Compiler:
    """Compiles for any backend at any level, from any thread, and remembers what it compiled.

    At levels 0 and 1 gates are translated by recipes and then canceled and merged here: Qiskit is asked only how to
    spell a kind of gate it was not asked for before, or a matrix. At levels 2 and 3 all is Qiskit's.

    Args:
        capacity: Compiled circuits remembered.
        capacity_bytes: The most they may take together, bytes.
    """

    def __init__(self, capacity: int = 1000, capacity_bytes: int = 64_000_000) -> None:
        self._recent: Recent[str, bytes] = Recent(capacity, capacity_bytes, len)
        self._made_by = f"qis:{VERSION}:qiskit-{qiskit.__version__}:qiskit-ionq-{qiskit_ionq.__version__}"
        # A PassManager serves one thread at a time. Here are those that nobody uses just now.
        self._idle: dict[tuple[int, int], deque[PassManager]] = {}
        self._translations: dict[int, Translation] = {}

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
        key = self.key(canonical, backend, optimization_level)
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
        key = self.key(canonical, backend, optimization_level)
        wire = self._recent.get(key)
        if (
            wire is None
            and canonical.gates <= _FEW
            and canonical.format == "qis"
            and optimization_level <= 1
            and "unitary" not in [line[0] for line in canonical.lines]
        ):
            steps = self.spell(canonical.steps, backend, optimization_level)
            if steps is not None:
                wire = write(steps)
                self._recent.put(key, wire)
        return wire if wire is None or len(wire) <= SHORT_WIRE_BYTES else None

    def key(self, canonical: Canonical, backend: Backend, optimization_level: int) -> str:
        """The name of a compiled circuit, for any store: all that decides about its bytes.

        Args:
            canonical: The circuit.
            backend: Where it is to run; those of one width share what is compiled.
            optimization_level: Qiskit's, 0 to 3.
        """
        return f"{canonical.fingerprint}:{backend.qubits}:{optimization_level}:{self._made_by}"

    def remember(self, canonical: Canonical, backend: Backend, optimization_level: int, wire: bytes) -> None:
        """Take in what another process compiled, under the same `key`."""
        self._recent.put(self.key(canonical, backend, optimization_level), wire)

    def spell(self, steps: Sequence[Step], backend: Backend, optimization_level: int) -> Sequence[Step] | None:
        """Steps in IonQ's gates, at level 0 or 1; None where Qiskit has to look at the numbers in one.

        Args:
            steps: Gates and barriers. Angles may be symbolic: what is left then does the same for all their values.
            backend: Where they are to run.
            optimization_level: 0 to translate gates one by one; 1 to cancel and merge neighbors, too.

        Raises:
            CircuitTooLargeError: There are too many gates.
        """
        translation = self._translation(backend)
        if optimization_level and not translation.knows(steps):
            steps = simplify(steps)  # some undo each other as they are, but not in translation
        translated = translation.translate(steps, _MERGED * MAX_GATES)
        if translated is not None and optimization_level:
            translated = simplify(translated)
        if translated is not None and len(translated) > MAX_GATES:
            _check_gates(sum(step.name != "barrier" for step in translated))
        return translated

    def _gate_list(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes:
        steps = self.spell(canonical.steps, backend, optimization_level) if optimization_level <= 1 else None
        if steps is None:
            compiled = self._run(canonical.build(), backend, optimization_level)
            _check_gates(compiled.size())
            steps = _in_logical_order(flatten(compiled), compiled)
        return write(steps)

    def _openqasm(self, canonical: Canonical, backend: Backend, optimization_level: int) -> bytes:
        """OpenQASM 3. Measurements name their wires, so a renaming of wires is already part of it."""
        compiled = self._run(canonical.build(), backend, optimization_level)
        _check_gates(compiled.size())
        with refusing(UnsupportedCircuitError, "The circuit cannot be written as OpenQASM 3"):
            return json.dumps(qasm3.dumps(compiled)).encode()

    def _translation(self, backend: Backend) -> Translation:
        found = self._translations.get(backend.qubits)
        if found is None:
            names = target(backend).operation_names
            found = Translation(names, lambda circuit: self._run(circuit, backend, 0))
            self._translations[backend.qubits] = found
        return found

    def _run(self, circuit: QuantumCircuit, backend: Backend, optimization_level: int) -> QuantumCircuit:
        idle = self._idle.setdefault((backend.qubits, optimization_level), deque())
        with refusing(UnsupportedCircuitError, "The circuit cannot be compiled"):
            try:
                passes = idle.pop()
            except IndexError:
                staged = generate_preset_pass_manager(optimization_level=optimization_level, target=target(backend))
                # a staged one lays its stages out afresh in every run
                passes = PassManager(staged.to_flow_controller().tasks)
            compiled = passes.run(circuit)
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
