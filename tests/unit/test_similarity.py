"""The task `similar`: what it refuses before it sends anything, and what it sends."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from celery import Task
from qiskit import QuantumCircuit

import qstore
from qstore.circuits.codec import decode
from qstore.errors import (
    InvalidJobError,
    InvalidOpenQASMError,
    InvalidOptionError,
    NoMeasurementError,
    UnknownOptionError,
)
from qstore.similarity import similar

JOB_ID = "7d2c3d0e-7b0c-4c3c-a4f1-9f2a1f6e2b11"


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What reaches Celery."""
    messages: list[SimpleNamespace] = []

    def apply_async(_: Task, args: Any, kwargs: Any, **options: Any) -> SimpleNamespace:
        messages.append(SimpleNamespace(args=args, kwargs=kwargs, options=options))
        return SimpleNamespace(get=lambda **_: {"outcomes": [], "circuits": []})

    monkeypatch.setattr(Task, "apply_async", apply_async)
    return messages


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ((), {}, InvalidJobError),
        ((None,), {"top_k": 3}, InvalidJobError),
        ((bell(),), {"job_id": JOB_ID}, InvalidJobError),
        ((JOB_ID,), {"job_id": JOB_ID}, InvalidJobError),
        (("bell",), {}, InvalidOpenQASMError),
        ((QuantumCircuit(1),), {}, NoMeasurementError),
        ((), {"job_id": ""}, InvalidOptionError),
        ((), {"job_id": 3}, InvalidOptionError),
        ((bell(), 5, 6), {}, UnknownOptionError),
        ((bell(),), {"shots": 5}, UnknownOptionError),
        *[((bell(), top_k), {}, InvalidOptionError) for top_k in (0, -1, 1001, 2.0, "5", True, None)],
    ],
)
def test_what_makes_no_sense_is_refused_and_not_sent(
    sent: list[SimpleNamespace], args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        similar.apply_async(args, kwargs)
    assert sent == []


@pytest.mark.parametrize("top_k", [1, 1000, np.int64(7)])
def test_a_circuit_travels_as_text(sent: list[SimpleNamespace], top_k: Any) -> None:
    similar.delay(bell(), top_k=top_k)
    (message,) = sent
    json.dumps([message.args, message.kwargs])
    assert decode(message.kwargs.pop("circuit")) == bell()
    assert message.kwargs == {"job_id": None, "top_k": int(top_k)}
    assert message.options["argsrepr"] == f"a circuit · top {top_k}"


def test_a_job_id_is_no_circuit(sent: list[SimpleNamespace]) -> None:
    similar.delay(JOB_ID)
    similar.delay(job_id="any text", top_k=2)
    assert [message.options["argsrepr"] for message in sent] == [f"{JOB_ID} · top 5", "any text · top 2"]


def test_a_direct_call_waits_for_a_worker_s_answer(sent: list[SimpleNamespace]) -> None:
    assert qstore.similar(bell(), top_k=3) == {"outcomes": [], "circuits": []}
    assert len(sent) == 1


def test_a_circuit_in_a_signature_is_text() -> None:
    assert decode(similar.s(bell(), top_k=2).args[0]) == bell()
    assert decode(similar.s(circuit=bell()).kwargs["circuit"]) == bell()


def test_a_worker_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "work", lambda *args, **kwargs: [args, kwargs])
    assert similar.apply(("text",), {"top_k": 2}).get() == [("text",), {"top_k": 2}]
