"""What POST /jobs asks for, checked: nothing is accepted that could not be carried out.

Shape is checked by pydantic, gates by `circuit`, programs by `openqasm`. Unknown fields are refused, so that
a client's slip of the pen is found here rather than at IonQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from qstore.sandbox.ionq.backends import BACKENDS, NOISE_MODELS, Backend
from qstore.sandbox.ionq.circuit import Circuit, read_circuit
from qstore.sandbox.ionq.gates import InvalidGateError
from qstore.sandbox.ionq.openqasm import InvalidProgramError, Program, read_program
from qstore.sandbox.ionq.refusal import Refusal

MOST_CIRCUITS = 5_000
MOST_GATES = 150_000
FEWEST_DEBIASED_SHOTS = 500


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Qubits = Annotated[int, Field(ge=1)]
_Gateset = Literal["qis", "native"]
_Name = Annotated[str, StringConstraints(max_length=40)]
_Value = Annotated[str, StringConstraints(max_length=40_000)]


class _CircuitInput(_Strict):
    gateset: _Gateset
    circuit: list[Any]
    qubits: _Qubits | None = None


class _Child(_Strict):
    circuit: list[Any]
    name: str | None = None
    gateset: _Gateset | None = None
    qubits: _Qubits | None = None
    registers: dict[str, Any] | None = None


class _MultiInput(_Strict):
    gateset: _Gateset
    circuits: Annotated[list[_Child], Field(min_length=1, max_length=MOST_CIRCUITS)]
    qubits: _Qubits | None = None


class _ProgramInput(_Strict):
    data: str
    qubits: _Qubits | None = None


class _Noise(_Strict):
    model: Literal[tuple(NOISE_MODELS)]  # type: ignore[valid-type]  # mypy wants the names spelled out
    seed: int | None = None


class _Settings(_Strict):
    compilation: dict[str, Any] | None = None
    error_mitigation: dict[str, Any] | None = None


class _Body(_Strict):
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


def read_order(body: bytes) -> Order:
    """Check the body of POST /jobs.

    Raises:
        Refusal: With status 400 and the reason.
    """
    try:
        asked = _BODY.validate_json(body)
        works = _works(asked)
    except ValidationError as error:
        raise Refusal(400, _reason(error)) from None
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
    mitigation = (asked.settings and asked.settings.error_mitigation) or {}
    if mitigation.get("debiasing") and not backend.simulator and asked.shots < FEWEST_DEBIASED_SHOTS:
        raise Refusal(400, f"debiasing takes at least {FEWEST_DEBIASED_SHOTS} shots")


def _reason(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"][1:]))
    return f"{place}: {first['msg']}" if place else first["msg"]
