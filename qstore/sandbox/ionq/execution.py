"""Simulations, in threads of their own so that requests are answered meanwhile.

Every job is simulated once, when it is accepted. The ideal simulator answers with exact probabilities;
hardware, a noisy simulation and OpenQASM 3 programs answer from shots drawn here.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from qstore.sandbox.ionq.backends import NOISE_MODELS, Noise
from qstore.sandbox.ionq.circuit import WIDEST, Circuit
from qstore.sandbox.ionq.job import Job, Outcome
from qstore.sandbox.ionq.openqasm import WIDEST_PROGRAM, Program
from qstore.sandbox.ionq.order import Order
from qstore.sandbox.ionq.sampling import draw, flip

_encode = json.JSONEncoder(separators=(",", ":")).encode


class _Halted(Exception):  # noqa: N818 - an order, not a fault
    """Nobody waits for the simulation any more."""


class _TimedOutError(Exception):
    """The simulation took too long."""


class Execution:
    """Runs jobs.

    Args:
        threads: How many simulations run at a time.
        time_limit: Seconds of simulation after which a job fails.
        clock: Epoch seconds.
    """

    def __init__(self, threads: int = 2, time_limit: float = 120.0, clock: Callable[[], float] = time.time) -> None:
        self._threads = ThreadPoolExecutor(threads, "simulation")
        self._time_limit = time_limit
        self._clock = clock
        self._closing = threading.Event()

    async def run(self, job: Job) -> None:
        """Simulate a job and settle it, unless it is canceled meanwhile."""
        loop = asyncio.get_running_loop()
        try:
            outcomes = await loop.run_in_executor(self._threads, self._simulate, job)
        except _Halted:
            return
        finally:
            job.order.works = ()
        job.settle(outcomes, self._clock())

    def close(self) -> None:
        """End every simulation at its next gate."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _simulate(self, job: Job) -> list[Outcome]:
        deadline = time.monotonic() + self._time_limit

        def checkpoint() -> None:
            if self._closing.is_set() or job.canceled_at is not None:
                raise _Halted
            if time.monotonic() > deadline:
                raise _TimedOutError

        return [_outcome(job.order, work, position, checkpoint) for position, work in enumerate(job.order.works)]


def _outcome(order: Order, work: Circuit | Program, position: int, checkpoint: Callable[[], None]) -> Outcome:
    """Simulate one circuit."""
    checkpoint()
    if order.dry_run:
        return Outcome()
    width, widest = (len(work.used), WIDEST) if isinstance(work, Circuit) else (work.qubits, WIDEST_PROGRAM)
    if width > widest:
        return Outcome(failure=("SimulationError", f"{width} qubits are too many to simulate exactly"))
    noise = NOISE_MODELS[order.noise["model"]] if order.noise else order.backend.noise
    try:
        if isinstance(work, Program):
            return Outcome(_program_results(order, work, noise, checkpoint))
        return Outcome(_circuit_results(order, work, noise, position, checkpoint))
    except _TimedOutError:
        return Outcome(failure=("SimulationTimeout", "the simulation took too long"))


def _circuit_results(
    order: Order, circuit: Circuit, noise: Noise | None, position: int, checkpoint: Callable[[], None]
) -> dict[str, bytes]:
    """A histogram, keyed by decimal basis state, and for drawn shots all three kinds."""
    distribution = circuit.distribution(checkpoint)
    if noise is None:
        return {"probabilities": _histogram(distribution.states, distribution.probabilities)}
    sample = draw(circuit, distribution, noise, order.shots, _generator(order, position))
    return {
        "probabilities": _histogram(sample.states, sample.counts / order.shots),
        "histogram": _histogram(sample.states, sample.counts),
        "shots": _encode(list(map(str, sample.shots.tolist()))).encode(),
    }


def _histogram(states: np.ndarray, values: np.ndarray) -> bytes:
    return _encode(dict(zip(map(str, states.tolist()), values.tolist(), strict=True))).encode()


def _program_results(
    order: Order, program: Program, noise: Noise | None, checkpoint: Callable[[], None]
) -> dict[str, bytes]:
    """Each shot's registers, index 0 first; of a noise model only the readout error is applied.

    The ideal simulator keeps no shots: it tells how often the program's bits, taken together, showed what.
    """
    rng = _generator(order, 0)
    drawn = program.draw(order.shots, rng, checkpoint)
    if noise is not None:
        flip(drawn, program.circuit.num_clbits, noise.readout, rng)
    outcomes, places, counts = np.unique(drawn, return_inverse=True, return_counts=True)
    if noise is None:
        return {"probabilities": _histogram(outcomes, counts / order.shots)}
    texts = [
        _encode({"registers": {name: [outcome >> bit & 1 for bit in bits] for name, bits in program.registers.items()}})
        for outcome in outcomes.tolist()
    ]
    return {"shots": f"[{','.join(texts[place] for place in places.tolist())}]".encode()}


def _generator(order: Order, position: int) -> np.random.Generator:
    """Where the chance of one circuit comes from; circuits of one seeded job draw independently."""
    if order.seed is None:
        return np.random.default_rng()
    return np.random.default_rng((order.seed & 0xFFFFFFFF, position))
