"""Circuits to and from text: what a caller may hand in becomes a `QuantumCircuit`, or an error that says why not.

Parsing reads no files beyond the standard gate libraries, and runs nothing the text brings along.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
import zlib

from qiskit import QuantumCircuit, qasm2, qasm3, qpy

from qstore.circuits.border import refusing
from qstore.errors import CircuitTooLargeError, InvalidCircuitError, InvalidOpenQASMError

MAX_OPENQASM_BYTES = 1_000_000
"""The longest OpenQASM text taken."""

MAX_QPY_BYTES = 64_000_000
"""The longest QPY taken, decompressed."""

MAX_REGISTER_BITS = 100_000
"""The largest register OpenQASM text may declare: beyond it Qiskit takes memory until the process dies."""

_PREFIX = "qstore-qpy:"
_HEADER = re.compile(r"\ufeff?(?>\s+|//[^\n]*|/\*.*?\*/)*+OPENQASM\s+(\d+)(?:\.\d+)?\s*;", re.DOTALL)
_INDEX = re.compile(r"\[\s*+([\d_]++)\s*+\]")
_QPY_HEADER = struct.Struct("!6sB3xQ")  # magic, version of the format, (of Qiskit), number of circuits
_SAFE_QPY = 13  # before it, loading could run code that the file brought


def decode(circuit: object) -> QuantumCircuit:
    """Make a circuit of what a caller handed in.

    Args:
        circuit: A `QuantumCircuit`, returned as it is; OpenQASM 2 or 3 text; or what `encode` made.

    Raises:
        InvalidOpenQASMError: The text is no OpenQASM; the parser's own message tells line and column.
        CircuitTooLargeError: The text is too long.
        InvalidCircuitError: It is something else.
    """
    if isinstance(circuit, QuantumCircuit):
        return circuit
    if not isinstance(circuit, str):
        raise InvalidCircuitError(
            f"A circuit is a QuantumCircuit or OpenQASM text, not {type(circuit).__qualname__}: {_remedy(circuit)}."
        )
    if circuit.startswith(_PREFIX):
        return _from_qpy(circuit.removeprefix(_PREFIX))
    return _from_openqasm(circuit)


def encode(circuit: QuantumCircuit) -> str:
    """Make plain text of a circuit, fit for JSON, that `decode` turns back.

    The circuit's metadata stays behind: it may hold anything, and changes no outcome. As always with QPY, the
    reader's Qiskit must not be older than the writer's.

    Raises:
        InvalidCircuitError: Qiskit cannot serialize it.
    """
    if circuit.metadata:
        circuit = circuit.copy()
        circuit.metadata = {}
    buffer = io.BytesIO()
    with refusing(InvalidCircuitError, "The circuit cannot be serialized"):
        qpy.dump(circuit, buffer)
    return _PREFIX + base64.b64encode(zlib.compress(buffer.getvalue(), level=1)).decode("ascii")


def _remedy(given: object) -> str:
    if isinstance(given, (bytes, bytearray)):
        return "decode the bytes first"
    if isinstance(given, (list, tuple)):
        return "submit circuits one by one, or use submit_circuits"
    return "convert it first"


def _from_openqasm(text: str) -> QuantumCircuit:
    if len(text) > MAX_OPENQASM_BYTES or len(text.encode(errors="replace")) > MAX_OPENQASM_BYTES:
        raise CircuitTooLargeError(f"OpenQASM text may have at most {MAX_OPENQASM_BYTES:,} bytes.")
    header = _HEADER.match(text)
    if header is None:
        raise InvalidOpenQASMError(
            "The text is not OpenQASM: start it with `OPENQASM 3.0;` or `OPENQASM 2.0;`. Of a file, hand in the text."
        )
    if any(_number(digits) > MAX_REGISTER_BITS for digits in _INDEX.findall(text)):
        raise CircuitTooLargeError(f"A register may have at most {MAX_REGISTER_BITS:,} bits.")
    match int(header[1]):
        case 2:
            return _from_openqasm2(text)
        case 3:
            return _from_openqasm3(text)
        case other:
            raise InvalidOpenQASMError(f"OpenQASM {other} is unknown: there are 2.0 and 3.0.")


def _number(digits: str) -> int:
    """The number, or one with its first nine digits where it is longer: large enough to be refused."""
    return int(digits.replace("_", "").lstrip("0")[:9] or "0")


def _from_openqasm2(text: str) -> QuantumCircuit:
    with refusing(InvalidOpenQASMError, "The OpenQASM 2 text is invalid"):
        return qasm2.loads(
            text.removeprefix("\ufeff"),
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )


def _from_openqasm3(text: str) -> QuantumCircuit:
    with refusing(InvalidOpenQASMError, "The OpenQASM 3 text is invalid"):
        try:
            return qasm3.loads(text.removeprefix("\ufeff"))
        except Exception as error:
            # The parser gives up without a word where a token is out of place; the token is in its cause.
            token = getattr(next(iter(getattr(error.__cause__, "args", ())), None), "offendingToken", None)
            if str(error) or token is None:
                raise
            raise InvalidOpenQASMError(
                f"The OpenQASM 3 text is invalid: line {token.line}, column {token.column}: unexpected {token.text!r}"
            ) from error


def _from_qpy(text: str) -> QuantumCircuit:
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(text, validate=True), MAX_QPY_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InvalidCircuitError(f"The encoded circuit is damaged: {error}") from error
    if len(data) > MAX_QPY_BYTES:
        raise CircuitTooLargeError(f"An encoded circuit may unfold to at most {MAX_QPY_BYTES:,} bytes.")
    if not unpacking.eof or unpacking.unused_data or len(data) < _QPY_HEADER.size:
        raise InvalidCircuitError("The encoded circuit is damaged: its end is missing, or does not belong to it.")
    magic, version, circuits = _QPY_HEADER.unpack_from(data)
    if magic != b"QISKIT" or circuits != 1:
        raise InvalidCircuitError("The encoded circuit is not QPY of exactly one circuit.")
    if version < _SAFE_QPY:
        raise InvalidCircuitError(f"The encoded circuit is QPY {version}: only {_SAFE_QPY} and later is safe to load.")
    with refusing(InvalidCircuitError, "The encoded circuit cannot be loaded"):
        (circuit,) = qpy.load(io.BytesIO(data))
    return circuit
