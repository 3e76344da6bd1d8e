"""Prepared jobs to what is executed: the circuit compiled, with all that its batch has to know."""

from __future__ import annotations

from qstore.circuits.compiler import MAX_GATES, MAX_WIRE_BYTES, SHORT_WIRE_BYTES, Compiler
from qstore.circuits.targets import find_backend
from qstore.job import Group, Run
from qstore.preparation import Prepared


class Runs:
    """Makes runs.

    Args:
        compiler: To IonQ's gates.
        batch_size: Circuits in one IonQ job; bounds how heavy one may be.
    """

    def __init__(self, compiler: Compiler, batch_size: int) -> None:
        self._compiler = compiler
        self._batch_size = batch_size

    def ready(self, job: Prepared) -> Run | None:
        """The run, where making it takes no time worth saving; else None."""
        options, wire = job.options, job.wire
        if wire is None:
            wire = self._compiler.ready(job.canonical, find_backend(options.backend), options.optimization_level)
        elif len(wire) > SHORT_WIRE_BYTES:
            return None
        return None if wire is None else self._run(job, wire)

    def compiled(self, job: Prepared) -> Run:
        """The run.

        Raises:
            InvalidJobError: The circuit does not compile.
        """
        options, wire = job.options, job.wire
        if wire is None:
            wire = self._compiler.compile(job.canonical, find_backend(options.backend), options.optimization_level)
        return self._run(job, wire)

    def taken_over(self, job: Prepared, wire: bytes) -> Run:
        """The run, of what another producer compiled."""
        options = job.options
        self._compiler.remember(job.canonical, find_backend(options.backend), options.optimization_level, wire)
        return self._run(job, wire)

    def circuit_key(self, job: Prepared) -> str:
        """The name of the compiled circuit, under which producers share it; empty where that is not worth the while."""
        if job.wire is not None:  # quicker to make than to store
            return ""
        options = job.options
        return self._compiler.key(job.canonical, find_backend(options.backend), options.optimization_level)

    def _run(self, job: Prepared, wire: bytes) -> Run:
        canonical, options, ask = job.canonical, job.options, job.ask
        return Run(
            run_id=ask.run_id,
            fingerprint=canonical.fingerprint,
            group=Group(
                backend=options.backend,
                shots=options.shots,
                noise_model=options.noise_model,
                noise_seed=options.seed if options.noise_model != "ideal" else None,
                debiasing=options.debiasing,
                solo=ask.run_id if canonical.format == "qasm3" or self._is_heavy(wire) else "",
            ),
            format=canonical.format,
            wire=wire,
            width=canonical.width,
            qubits=canonical.qubits,
            name=ask.job.name,
            seed=options.seed,
            bank=0 if options.reuse == "bank" else None,
            optimization_level=options.optimization_level,
        )

    def _is_heavy(self, wire: bytes) -> bool:
        """Whether a full batch of such circuits could pass IonQ's limits for one job."""
        size = self._batch_size
        return len(wire) * size > MAX_WIRE_BYTES or wire.count(b'"gate"') * size > MAX_GATES
