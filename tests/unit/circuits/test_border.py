from __future__ import annotations

import pytest

from qstore.circuits.border import refusing
from qstore.errors import CircuitTooLargeError, InvalidOpenQASMError


class Panic(BaseException):
    """Like what Rust's panics arrive as."""


@pytest.mark.parametrize("error", [ValueError("why"), RecursionError("why"), Panic("why"), KeyError("why")])
def test_whatever_goes_wrong_arrives_as_the_given_error_with_its_cause(error: BaseException) -> None:
    with (
        pytest.raises(InvalidOpenQASMError, match="It cannot be read: ") as refusal,
        refusing(InvalidOpenQASMError, "It cannot be read"),
    ):
        raise error
    assert refusal.value.__cause__ is error
    assert "why" in str(refusal.value) or "nested too deeply" in str(refusal.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), MemoryError(), CircuitTooLargeError("our own")])
def test_what_is_no_fault_of_the_circuit_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as passed, refusing(InvalidOpenQASMError, "It cannot be read"):
        raise error
    assert passed.value is error
