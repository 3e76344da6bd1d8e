"""What POST /jobs asks for, checked: nothing is accepted that could not be carried out.

Shape is checked by pydantic, gates by `circuit`, programs by `openqasm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from qstore.sandbox.ionq.backends import BACKENDS, NOISE_MODELS, Backend
from qstore.sandbox.ionq.circuit import Circuit, read_circuit
from qstore.sandbox.ionq.gates import InvalidGateError
from qstore.sandbox.ionq.openqasm import InvalidProgramError, Program, read_program
from qstore.sandbox.ionq.purchase import digests
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.strict import Strict, reason

MOST_CIRCUITS = 5_000
MOST_GATES = 150_000
FEWEST_DEBIASED_SHOTS = 500


_Qubits = Annotated[int, Field(ge=1)]
_Gateset = Literal["qis", "native"]
_Name = Annotated[str, StringConstraints(max_length=40)]
_Value = Annotated[str, StringConstraints(max_length=40_000)]
_Seed = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class _CircuitInput(Strict):
    gateset: _Gateset
    circuit: list[Any]
    qubits: _Qubits | None = None


class _Child(Strict):
    circuit: list[Any]
    name: str | None = None
    gateset: _Gateset | None = None
    qubits: _Qubits | None = None
    registers: dict[str, list[float | None]] | None = None


class _MultiInput(Strict):
    gateset: _Gateset
    circuits: Annotated[list[_Child], Field(min_length=1, max_length=MOST_CIRCUITS)]
    qubits: _Qubits | None = None


class _ProgramInput(Strict):
    data: str
    qubits: _Qubits | None = None


class _Noise(Strict):
    model: Literal[tuple(NOISE_MODELS)]  # type: ignore[valid-type]  # mypy wants the names spelled out
    seed: _Seed | None = None

    nullable: ClassVar[frozenset[str]] = frozenset({"seed"})  # qiskit-ionq sends it always


class _Compilation(Strict):
    opt: float | None = None
    precision: str | None = None
    gate_basis: str | None = None
    service_version: str | None = None


class _ErrorMitigation(Strict):
    debiasing: bool | None = None
    symmetry_verification: bool | None = None


class _Settings(Strict):
    compilation: _Compilation | None = None
    error_mitigation: _ErrorMitigation | None = None


class _Body(Strict):
    backend: str
    name: str | None = None
    metadata: Annotated[dict[_Name, _Value], Field(max_length=10)] | None = None
    shots: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    session_id: str | None = None
    noise: _Noise | None = None
    settings: _Settings | None = None
    dry_run: bool = False


class _CircuitBody(_Body):
    type: Literal["ionq.circuit.v1"]
    input: _CircuitInput


class _MultiBody(_Body):
    type: Literal["ionq.multi-circuit.v1"]
    input: _MultiInput


class _ProgramBody(_Body):
    type: Literal["ionq.qasm3.v1"]
    input: _ProgramInput


_AnyBody = _CircuitBody | _MultiBody | _ProgramBody
_BODY: TypeAdapter[_AnyBody] = TypeAdapter(Annotated[_AnyBody, Field(discriminator="type")])


@dataclass(slots=True)
class Order:
    """A job that can be carried out.

    Attributes:
        type: IonQ's job type.
        backend: Where it runs.
        name: What its sender calls it.
        metadata: Its sender's own, to be echoed.
        shots: How many.
        noise: `model` and `seed` as asked, for the simulator; None where not asked.
        seed: Of every draw; None draws afresh.
        settings: As asked.
        session_id: As asked.
        dry_run: Whether nothing is to be executed.
        works: The circuits, in order, or the one program; emptied once they were simulated.
        multi: Whether each circuit becomes a child job.
        purchases: What each circuit bought is, as `purchase.digests` tells.
    """

    type: str
    backend: Backend
    name: str | None
    metadata: dict[str, str] | None
    shots: int
    noise: dict[str, Any] | None
    seed: int | None
    settings: dict[str, Any]
    session_id: str | None
    dry_run: bool
    works: tuple[Circuit | Program, ...]
    multi: bool
    purchases: bytes


def read_order(body: bytes) -> Order:
    """Check the body of POST /jobs.

    Raises:
        Refusal: With status 400 and the reason.
    """
    try:
        asked = _BODY.validate_json(body)
        works = _works(asked)
    except ValidationError as error:
        raise Refusal(400, reason(error, depth=1)) from None
    except (InvalidGateError, InvalidProgramError) as error:
        raise Refusal(400, str(error)) from None
    backend = BACKENDS.get(asked.backend)
    if backend is None:
        raise Refusal(400, f"there is no backend {asked.backend!r}")
    _check(asked, backend, works)
    settings = asked.settings.model_dump(exclude_none=True) if asked.settings else {}
    return Order(
        type=asked.type,
        backend=backend,
        name=asked.name,
        metadata=asked.metadata,
        shots=asked.shots,
        noise=asked.noise.model_dump(exclude_none=True) if asked.noise else None,
        seed=asked.noise.seed if asked.noise else None,
        settings=settings,
        session_id=asked.session_id,
        dry_run=asked.dry_run,
        works=works,
        multi=isinstance(asked, _MultiBody),
        purchases=digests(_terms(asked), _contents(asked, works)),
    )


def _works(asked: _AnyBody) -> tuple[Circuit | Program, ...]:
    """The circuits of the request, each within the width it declares."""
    widest = max(backend.qubits for backend in BACKENDS.values())
    if isinstance(asked, _ProgramBody):
        program = read_program(asked.name, asked.input.data)
        if asked.input.qubits is not None and asked.input.qubits < program.qubits:
            raise InvalidProgramError(f"the program has {program.qubits} qubits, `qubits` says {asked.input.qubits}")
        return (program,)
    given = asked.input
    if isinstance(given, _CircuitInput):
        return (read_circuit(asked.name, given.circuit, given.gateset, given.qubits or widest, given.qubits),)
    circuits = []
    for position, child in enumerate(given.circuits):
        try:
            circuits.append(
                read_circuit(
                    child.name,
                    child.circuit,
                    child.gateset or given.gateset,
                    child.qubits or given.qubits or widest,
                    child.qubits,
                )
            )
        except InvalidGateError as error:
            raise InvalidGateError(f"circuit {position}, {error}") from None
    return tuple(circuits)


def _terms(asked: _AnyBody) -> list[Any]:
    """What a price is agreed on beside the circuit; to ask for the ideal simulator is to ask for nothing special."""
    noise = asked.noise.model_dump() if asked.noise and asked.noise.model != "ideal" else None
    settings = asked.settings.model_dump(exclude_none=True) if asked.settings else {}
    return [asked.backend, asked.shots, noise, settings, asked.dry_run]


def _contents(asked: _AnyBody, works: tuple[Circuit | Program, ...]) -> list[Any]:
    """Each circuit as it was sent, and how many qubits of it are read out."""
    given = asked.input
    if isinstance(given, _ProgramInput):
        return [given.data]
    if isinstance(given, _CircuitInput):
        return [[given.gateset, works[0].qubits, given.circuit]]
    return [
        [child.gateset or given.gateset, work.qubits, child.circuit]
        for child, work in zip(given.circuits, works, strict=True)
    ]


def _check(asked: _AnyBody, backend: Backend, works: tuple[Circuit | Program, ...]) -> None:
    """What only the whole tells."""
    widest = max(asked.input.qubits or 0, *(work.qubits for work in works))
    if widest > backend.qubits:
        raise Refusal(400, f"{widest} qubits are more than {backend.name}'s {backend.qubits}")
    gates = sum(sum(work.gate_counts) for work in works)
    if gates > MOST_GATES:
        raise Refusal(400, f"{gates} gates are more than {MOST_GATES}")
    if asked.noise and not backend.simulator:
        raise Refusal(400, "a noise model is for the simulator only")
    mitigation = asked.settings.error_mitigation if asked.settings else None
    if mitigation and mitigation.debiasing and not backend.simulator and asked.shots < FEWEST_DEBIASED_SHOTS:
        raise Refusal(400, f"debiasing takes at least {FEWEST_DEBIASED_SHOTS} shots")
