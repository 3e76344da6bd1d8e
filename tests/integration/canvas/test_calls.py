"""Every way to call a Celery task, and from everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery.result import AsyncResult
from redis import Redis

from integration.canvas.hold import Call
from integration.canvas.sources import WITHIN, Source
from qstore import submit_circuit
from qstore.app import app, settings
from qstore.circuits.codec import decode

NAME = "qstore.submit_circuit"

WAYS = {
    "delay": submit_circuit.delay,
    "apply_async": lambda text, shots: submit_circuit.apply_async((text, shots)),
    "apply_async with keywords": lambda text, shots: submit_circuit.apply_async(
        kwargs={"circuit": text, "shots": shots}
    ),
    "s": lambda text, shots: submit_circuit.s(text, shots=shots).delay(),
    "si": lambda text, shots: submit_circuit.si(text, shots).delay("is not taken"),
    "signature": lambda text, shots: submit_circuit.signature((text,), {"shots": shots}).apply_async(),
    "part of it later": lambda text, shots: submit_circuit.s(shots=shots).delay(text),
    "app.signature": lambda text, shots: app.signature(NAME, (text,), {"shots": shots}).delay(),
    "app.send_task": lambda text, shots: app.send_task(NAME, [text], {"shots": shots}),
    "a circuit of Qiskit": lambda text, shots: submit_circuit.delay(decode(text), shots),
    "a signature of Qiskit's": lambda text, shots: submit_circuit.s(decode(text), shots=shots).delay(),
}
"""Each starts a job and leaves it."""

WAITS = {
    "submit_circuit()": submit_circuit,
    "a signature's call": lambda text, shots: submit_circuit.s(shots=shots)(text),
    "apply": lambda text, shots: submit_circuit.apply((text, shots)).get(),
    "a signature's apply": lambda text, shots: submit_circuit.s(text, shots=shots).apply().get(),
}
"""Each waits until its job is done."""


def test_every_way_of_calling_gives_counts(source: Source) -> None:
    calls = {way: source.call() for way in WAYS}
    results: dict[str, AsyncResult] = {way: start(*calls[way]) for way, start in WAYS.items()}
    answers = {way: result.get(timeout=WITHIN) for way, result in results.items()}
    assert {way: (answer["source"], answer["shots"]) for way, answer in answers.items()} == {
        way: (source.name, shots) for way, (_, shots) in calls.items()
    }


@pytest.mark.parametrize("way", WAITS)
def test_a_call_in_this_process_waits_for_the_counts(source: Source, way: str) -> None:
    text, shots = source.call()
    answer = WAITS[way](text, shots)
    assert (answer["source"], sum(answer["counts"].values())) == (source.name, shots)


def elsewhere(calls: list[Call]) -> Any:
    """What a service without qstore and Qiskit gets for its calls."""
    script = Path(__file__).parent / "elsewhere.py"
    given = json.dumps({"redis": settings.redis_url, "calls": calls})
    done = subprocess.run(
        [sys.executable, "-P", script], input=given, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_a_service_with_celery_alone_submits_in_every_way(source: Source) -> None:
    calls = source.calls(14)
    got = elsewhere(calls)
    shots = [shots for _, shots in calls]
    single = {
        way: (got[way]["source"], got[way]["shots"]) for way in ("send_task", "keywords", "app.signature", "signature")
    }
    assert list(single.values()) == [(source.name, each) for each in shots[:4]]
    assert [each["shots"] for each in got["group"]] == shots[4:6]
    assert got["chain"]["shots"] == shots[7]
    assert got["chord"] == shots[8] + shots[9]
    assert [each["shots"] for each in got["starmap"]] == shots[10:12]
    assert got["bad shots"]["type"] == "InvalidShotsError"
    assert "1 to 1,000,000, not 0" in got["bad shots"]["text"]
    assert got["bad circuit"]["type"] == "InvalidOpenQASMError"
    # Celery raises the member's own error, or the ChordError that names it, whichever it comes by first
    assert "InvalidOpenQASMError" in " ".join(got["chord of bad ones"].values())


def test_a_result_is_found_again_by_its_id(source: Source, redis: Redis) -> None:
    text, shots = source.call()
    job_id = submit_circuit.delay(text, shots).id
    assert AsyncResult(job_id, app=app).get(timeout=WITHIN)["shots"] == shots
    assert redis.exists(f"celery-task-meta-{job_id}")
