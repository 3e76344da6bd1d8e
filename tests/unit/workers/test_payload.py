"""The body of an IonQ job is JSON as IonQ describes it, whatever travels in it."""

from __future__ import annotations

import json
from dataclasses import replace

from qstore.job import Batch, Group, Run
from workers.payload import NONCE, payload

BELL = b'[{"gate":"h","targets":[0]},{"gate":"x","targets":[1],"controls":[0]}]'


def run(name: str, group: Group, qubits: int = 2, wire: bytes = BELL, form: str = "qis") -> Run:
    return Run(name * 8, "f" * 64, group, form, wire, qubits, qubits, name, None)


def batch(group: Group) -> Batch:
    return Batch("b", "the-nonce", group, (), "intent", "0")


def test_one_circuit_travels_as_a_circuit_job() -> None:
    group = Group("simulator", 100)
    assert json.loads(payload(batch(group), [run("a", group)])) == {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "shots": 100,
        "name": "qstore the-nonce",
        "metadata": {NONCE: "the-nonce"},
        "noise": {"model": "ideal"},
        "input": {"gateset": "qis", "qubits": 2, "circuit": json.loads(BELL)},
    }


def test_many_circuits_travel_as_one_job_with_a_name_and_a_width_each() -> None:
    group = Group("simulator", 100, noise_model="aria-1", noise_seed=7)
    body = json.loads(payload(batch(group), [run("a", group), run("b", group, qubits=5, wire=b"[]")]))
    assert body["type"] == "ionq.multi-circuit.v1"
    assert body["noise"] == {"model": "aria-1", "seed": 7}
    assert body["input"]["qubits"] == 5
    assert body["input"]["circuits"] == [
        {"name": "0-aaaaaaaa", "qubits": 2, "circuit": json.loads(BELL)},
        {"name": "1-bbbbbbbb", "qubits": 5, "circuit": []},
    ]


def test_a_machine_gets_no_noise_and_the_mitigation_asked() -> None:
    group = Group("qpu.forte-1", 500, debiasing=True)
    body = json.loads(payload(batch(group), [run("a", group)]))
    assert "noise" not in body
    assert body["settings"] == {"error_mitigation": {"debiasing": True}}


def test_openqasm_travels_alone_on_the_compiler_that_names_registers() -> None:
    group = replace(Group("simulator", 100), solo="a")
    text = json.dumps('OPENQASM 3.0;\nbit[2] c;\n"ü"').encode()
    body = json.loads(payload(batch(group), [run("a", group, wire=text, form="qasm3")]))
    assert body["type"] == "ionq.qasm3.v1"
    assert body["input"] == {"qubits": 2, "data": json.loads(text)}
    assert body["settings"] == {"compilation": {"service_version": "v0.4"}}
