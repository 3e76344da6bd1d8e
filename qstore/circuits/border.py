"""The border to Qiskit and its parsers: whatever goes wrong beyond it arrives here as one of qstore's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qstore.errors import InvalidCircuitError, QstoreError


@contextmanager
def refusing(kind: type[InvalidCircuitError], what: str) -> Iterator[None]:
    """Turn any failure inside the block into an error about the circuit.

    Args:
        kind: The error to raise.
        what: What could not be done; the cause's own words follow it.

    Raises:
        InvalidCircuitError: Of the given kind, chained to its cause.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, QstoreError):
        raise
    except BaseException as error:  # a panic in Qiskit's Rust is no Exception
        raise kind(f"{what}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    """What an exception says; its type too, where the message alone would be a riddle."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    message = getattr(error, "message", None)  # Qiskit's own errors quote themselves in str()
    if isinstance(message, str) and message:
        return message
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
