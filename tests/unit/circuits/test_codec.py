from __future__ import annotations

import base64
import contextlib
import io
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.circuit import Gate
from qiskit.circuit.library import get_standard_gate_name_mapping

from qstore.circuits import codec
from qstore.circuits.canonical import canonicalize
from qstore.circuits.codec import decode, encode
from qstore.errors import CircuitTooLargeError, InvalidCircuitError, InvalidOpenQASMError

BELL2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0], q[1];\nmeasure q -> c;\n'
BELL3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'


def every_standard_gate() -> QuantumCircuit:
    circuit = QuantumCircuit(4, 4)
    for gate in get_standard_gate_name_mapping().values():
        if isinstance(gate, Gate) and gate.num_qubits:
            angles = [0.1 * (1 + place) for place in range(len(gate.params))]
            circuit.append(gate.base_class(*angles), range(gate.num_qubits))
    circuit.measure(range(4), range(4))
    return circuit


def packed(data: bytes) -> str:
    return "qstore-qpy:" + base64.b64encode(zlib.compress(data)).decode()


def qpy_of(*circuits: QuantumCircuit) -> bytes:
    buffer = io.BytesIO()
    qpy.dump(circuits, buffer)
    return buffer.getvalue()


# -- what is taken ------------------------------------------------------------------------------------------


def test_a_circuit_is_returned_as_it_is() -> None:
    circuit = QuantumCircuit(1)
    assert decode(circuit) is circuit


def test_both_openqasms_make_the_same_circuit() -> None:
    assert dict(decode(BELL2).count_ops()) == {"measure": 2, "h": 1, "cx": 1}
    assert canonicalize(decode(BELL2)).fingerprint == canonicalize(decode(BELL3)).fingerprint


@pytest.mark.parametrize(
    "before", ["\ufeff", "\r\n\t ", "// OPENQASM 9.9;\n", "/* one\n two */ // three\n", "//\n" * 20_000]
)
@pytest.mark.parametrize("text", [BELL2, BELL3])
def test_the_version_is_found_behind_blanks_and_comments(before: str, text: str) -> None:
    if "/*" in before and text is BELL2:
        text = BELL3  # OpenQASM 2 has no such comments
    assert decode(before + text).num_qubits == 2


def test_what_qiskit_exports_as_openqasm_2_is_read_back() -> None:
    circuit = every_standard_gate()
    assert decode(qasm2.dumps(circuit)).num_qubits == 4
    assert canonicalize(decode(qasm2.dumps(circuit))).fingerprint


def test_what_qiskit_exports_as_openqasm_3_is_read_back() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.ccx(0, 1, 2)
    circuit.rzz(0.3, 0, 1)
    circuit.u(1, 2, 3, 0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.measure(range(3), range(3))
    assert decode(qasm3.dumps(circuit)).count_ops()["measure"] == 4


@given(data=st.data())
def test_an_encoded_circuit_survives_json_and_keeps_its_fingerprint(
    data: st.DataObject, dynamic_circuits: st.SearchStrategy[QuantumCircuit]
) -> None:
    circuit = data.draw(dynamic_circuits)
    text = encode(circuit)
    assert text.isascii()
    assert canonicalize(decode(json.loads(json.dumps(text)))).fingerprint == canonicalize(circuit).fingerprint


def test_metadata_that_is_no_json_hinders_nobody() -> None:
    circuit = QuantumCircuit(1, 1, metadata={("a", "b"): object()})
    circuit.measure(0, 0)
    assert decode(encode(circuit)).count_ops() == circuit.count_ops()
    assert circuit.metadata


def test_what_cannot_be_serialized_is_refused_as_a_circuit() -> None:
    circuit = QuantumCircuit(1, 1)
    gate = Gate("odd", 1, [])
    gate._params = [object()]
    circuit.append(gate, [0])
    with pytest.raises(InvalidCircuitError, match="cannot be serialized"):
        encode(circuit)


# -- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        (None, "NoneType"),
        (3, "int"),
        (BELL2.encode(), "decode the bytes"),
        ([BELL2], "submit_circuits"),
        ({"circuit": BELL2}, "dict"),
        (QuantumCircuit, "type"),
    ],
)
def test_what_is_no_circuit_is_refused_by_its_type_with_a_remedy(given_: object, says: str) -> None:
    with pytest.raises(InvalidCircuitError, match=says):
        decode(given_)


@pytest.mark.parametrize("text", ["", "bell.qasm", "h q[0];", "OPENQASM;", "OPENQASM 3.0", "/* OPENQASM 3.0;"])
def test_text_without_a_version_is_told_how_to_begin(text: str) -> None:
    with pytest.raises(InvalidOpenQASMError, match=r"OPENQASM 3\.0;.*OPENQASM 2\.0;"):
        decode(text)


@pytest.mark.parametrize("version", ["1.0", "4.0", "20"])
def test_an_unknown_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidOpenQASMError, match=r"there are 2\.0 and 3\.0"):
        decode(f"OPENQASM {version};")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BELL2 + "foo q[0];", "8,0: 'foo'"),
        (BELL2 + "h q[0]", "8,"),
        (BELL2 + "h q[7];", "8,4: index 7"),
        (BELL2 + "h q[0]; \ud800", "OpenQASM 2"),
        (BELL3 + "foo q[0];", "8,0: gate 'foo'"),
        (BELL3 + "h q[0]\nh q[1];", "line 9, column 0: unexpected 'h'"),
        (BELL3 + "h q[0]", "line 8, column 6"),
        (BELL3 + "h $;", "L8:C2"),
        (BELL3 + "h q[7];", "IndexError"),
        (BELL3 + "rx(1/0) q[0];", "ZeroDivisionError"),
        (BELL3 + f"rx({'(' * 3000}1{')' * 3000}) q[0];", "nested too deeply"),
        (BELL3 + "end;", "8,0"),
    ],
)
def test_a_parsers_complaint_keeps_its_place_in_the_text(text: str, says: str) -> None:
    with pytest.raises(InvalidOpenQASMError, match=says) as refusal:
        decode(text)
    assert refusal.value.__cause__ is not None


@given(data=st.data())
def test_no_damage_to_a_text_raises_anything_but_our_own_error(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([BELL2, BELL3]))
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 10)))
    alphabet = st.sampled_from([*'qc[]();,{}"->=@$0123456789 \n', "gate ", "if ", "ctrl @ ", "pi", "ß", "measure "])
    with contextlib.suppress(InvalidCircuitError):
        decode(text[:start] + "".join(data.draw(st.lists(alphabet, max_size=8))) + text[end:])


@pytest.mark.parametrize("text", [BELL2, BELL3])
def test_too_long_a_text_is_refused_unparsed(text: str) -> None:
    with pytest.raises(CircuitTooLargeError):
        decode(text + "//" + "x" * codec.MAX_OPENQASM_BYTES)
    with pytest.raises(CircuitTooLargeError):
        decode(text + "//" + "量" * (codec.MAX_OPENQASM_BYTES // 3))


@pytest.mark.parametrize(
    "declaration",
    ["qreg big[1000000000];", "creg big[ 1000000000 ];", "qubit[1_000_000_000] big;", f"bit[{'9' * 5000}] big;"],
)
def test_a_register_that_would_fill_the_memory_is_refused_unparsed(declaration: str) -> None:
    version = 2 if "reg" in declaration else 3
    with pytest.raises(CircuitTooLargeError):
        decode(f"OPENQASM {version}.0; {declaration}")


@pytest.mark.parametrize("version", ["2.0", "3.0"])
@pytest.mark.parametrize("relative", [True, False])
def test_an_include_reads_no_file(
    version: str, relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.inc").write_text("a secret text")
    (tmp_path / "qelib1.inc").write_text("gate h a { }")
    monkeypatch.chdir(tmp_path)
    path = "secret.inc" if relative else str(tmp_path / "secret.inc")
    with pytest.raises(InvalidOpenQASMError) as refusal:
        decode(f'OPENQASM {version};\ninclude "{path}";')
    assert "a secret" not in str(refusal.value)
    assert decode(BELL2).data[0].is_standard_gate()  # not the one that lies about


# -- damaged and hostile encodings --------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", "not base64!", "AAAA", packed(b"")[11:], encode(QuantumCircuit(1))[11:-8]])
def test_a_damaged_encoding_is_refused(damage: str) -> None:
    with pytest.raises(InvalidCircuitError, match="damaged"):
        decode("qstore-qpy:" + damage)


@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_flipped_byte_gets_through(place: int, change: int) -> None:
    data = bytearray(zlib.compress(qpy_of(every_standard_gate())))
    data[place % len(data)] ^= change
    text = "qstore-qpy:" + base64.b64encode(data).decode()
    try:
        survivor = decode(text)
    except InvalidCircuitError:
        return
    assert survivor == every_standard_gate()  # some bits of zlib's own header mean nothing


def test_an_encoding_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_QPY_BYTES", 1_000_000)
    with pytest.raises(CircuitTooLargeError):
        decode(packed(bytes(1_000_001)))


@pytest.mark.parametrize("version", range(13))
def test_qpy_old_enough_to_run_code_is_not_even_loaded(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qpy, "load", lambda *_: pytest.fail("it was loaded"))
    data = bytearray(qpy_of(QuantumCircuit(1)))
    data[6] = version
    with pytest.raises(InvalidCircuitError, match="safe to load"):
        decode(packed(bytes(data)))


@pytest.mark.parametrize(
    "data",
    [qpy_of(), qpy_of(QuantumCircuit(1), QuantumCircuit(1)), b"QISKIX" + qpy_of(QuantumCircuit(1))[6:]],
    ids=["none", "two", "other magic"],
)
def test_anything_but_one_circuit_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidCircuitError, match="exactly one"):
        decode(packed(data))


def test_qpy_of_a_later_qiskit_is_refused_with_its_reason() -> None:
    data = bytearray(qpy_of(QuantumCircuit(1)))
    data[6] = 200
    with pytest.raises(InvalidCircuitError, match="200"):
        decode(packed(bytes(data)))
