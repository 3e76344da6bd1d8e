"""On machines a result costs money, and is worth something as long as the machine is calibrated as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from conditions import wait_until
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import BACKEND, COST, SUBMIT, Answer, Part, ScriptedIonQ, fair
from service import Service

pytestmark = pytest.mark.usefixtures("redis_server")

MACHINE = "qpu.forte-1"
Replicas = Callable[..., Any]


def wait_in_line(part: Part) -> None:
    for each in (part, *part.children):
        each.document["status"] = "ready"


# -- money ------------------------------------------------------------------------------------------------------


def test_each_circuit_bears_an_equal_share_of_what_its_job_was_charged(service: Service, coins: ScriptedIonQ) -> None:
    jobs = service.ask_all([0.1, 0.2, 0.3, 0.1], backend=MACHINE)
    answers = service.read(*jobs)
    assert [each["source"] for each in answers] == ["executed", "executed", "executed", "joined"]
    assert [each["cost"]["usd"] for each in answers] == [pytest.approx(1 / 3)] * 3 + [0.0]
    assert service.answer(0.2, backend=MACHINE)["cost"]["usd"] == 0.0
    assert coins.asked.count(COST) == coins.asked.count(SUBMIT) == 1
    assert service.tally.read().saved_usd == pytest.approx(2 / 3)  # who joined, and who was answered from the cache


def test_a_circuit_alone_bears_it_all(service: Service) -> None:
    assert service.answer(backend=MACHINE)["cost"]["usd"] == 1.0


@pytest.mark.parametrize("noise_model", ["ideal", "aria-1"])
def test_the_simulator_is_free_and_has_no_calibration_so_nobody_asks(
    service: Service, coins: ScriptedIonQ, noise_model: str
) -> None:
    assert service.answer(noise_model=noise_model)["cost"]["usd"] == 0.0
    service.answer(noise_model=noise_model)
    assert {COST, BACKEND}.isdisjoint(coins.asked)
    assert service.tally.read().saved_usd == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {"message": "there is no such job"}),
        (429, {}),
        (0, None),
        (200, []),
        (200, {"dry_run": False, "estimated_cost": {"value": 1.0, "unit": "usd"}}),
        (200, {"cost": {"value": 1.0, "unit": "eur"}}),
        (200, {"cost": {"value": "much", "unit": "usd"}}),
        (200, {"cost": {"value": True, "unit": "usd"}}),
        (200, {"cost": {"value": -1.0, "unit": "usd"}}),
    ],
)
@pytest.mark.parametrize("angles", [[0.1], [0.1, 0.2]])
def test_a_cost_that_cannot_be_found_out_is_null_and_holds_nothing_up(
    connection: Connection, keys: Keys, replica: Replicas, coins: ScriptedIonQ, answer: Any, angles: list[float]
) -> None:
    service = Service(connection, keys, replica(coins.url, failure_threshold=1))
    coins.always[COST] = answer
    answers = service.read(*service.ask_all(angles, backend=MACHINE))
    assert [(sum(each["counts"].values()), each["cost"]["usd"]) for each in answers] == [(1000, None)] * len(angles)
    # no breaker has opened: the next one is read as ever
    assert service.answer(0.3, backend=MACHINE)["source"] == "executed"
    assert coins.asked.count(COST) == 2


class Hanging(ScriptedIonQ):
    """One that says nothing of costs until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        super().__init__()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if path.endswith("/cost"):
            self.over.wait()
        return super().answer(method, path, body)


def test_nobody_waits_long_for_a_cost(
    connection: Connection, keys: Keys, replica: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.ionq._SOON", 0.05)
    coins = Hanging()
    coins.prepare = fair
    try:
        answer = Service(connection, keys, replica(coins.url)).answer(backend=MACHINE)
    finally:
        coins.over.set()
        coins.close()
    assert (answer["source"], answer["cost"]["usd"]) == ("executed", None)


# -- calibration ------------------------------------------------------------------------------------------------


def test_a_result_answers_until_the_machine_is_calibrated_anew(
    connection: Connection, keys: Keys, replica: Replicas, stand_in: Any
) -> None:
    service = Service(connection, keys, replica(stand_in.url, calibration_interval=0.05))
    first = service.answer(backend=MACHINE)
    assert (first["source"], first["cost"]["usd"]) == ("executed", 10.0)
    assert service.answer(backend=MACHINE)["source"] == "cached"
    before = service.calibrations.known(MACHINE)
    assert before

    address = stand_in.url.replace("/v0.4", "/sandbox/characterizations")
    ids = httpx.post(address, content=MACHINE, trust_env=False).raise_for_status().json()
    service.replica.turn_until(lambda: service.calibrations.known(MACHINE) != before, "the news")
    assert ids == {MACHINE: service.calibrations.known(MACHINE)}
    again = service.answer(backend=MACHINE)
    assert (again["source"], again["age"]) == ("executed", 0.0)
    assert again["remote_id"] != first["remote_id"]
    assert service.answer(backend=MACHINE)["source"] == "cached"


def test_what_was_calibrated_anew_while_it_was_executed_is_told_and_not_reused(
    connection: Connection, keys: Keys, replica: Replicas, coins: ScriptedIonQ
) -> None:
    service = Service(connection, keys, replica(coins.url, calibration_interval=0.05))
    coins.prepare = wait_in_line
    job = service.ask(backend=MACHINE)
    service.replica.turn_until(lambda: job.state == "SUBMITTED", "the submission")
    coins.calibration = "tuesday"
    service.replica.turn_until(lambda: service.calibrations.known(MACHINE) == "tuesday", "the news")
    joins = service.ask(backend=MACHINE)
    coins.prepare = fair
    fair(coins.job)
    assert [each["source"] for each in service.read(job, joins)] == ["executed", "joined"]
    assert [service.answer(backend=MACHINE)["source"] for _ in range(2)] == ["executed", "cached"]


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (0, None),
        (200, {"backend": MACHINE}),
        (200, {"characterization_id": 7}),
        (200, {"characterization_id": "two words"}),
    ],
)
def test_what_is_not_known_of_a_machine_keeps_nothing_from_being_executed_and_reused(
    service: Service, coins: ScriptedIonQ, answer: Any
) -> None:
    coins.always[BACKEND] = answer
    assert [service.answer(angle, backend=MACHINE)["source"] for angle in (0.1, 0.2, 0.1)] == [
        "executed",
        "executed",
        "cached",
    ]
    assert service.calibrations.known(MACHINE) == ""
    assert coins.asked.count(BACKEND) == 1  # before the first batch


def test_what_ionq_does_not_say_any_more_changes_nothing(
    connection: Connection, keys: Keys, replica: Replicas, coins: ScriptedIonQ
) -> None:
    service = Service(connection, keys, replica(coins.url, calibration_interval=0.05))
    service.answer(backend=MACHINE)
    coins.always[BACKEND] = (503, {})
    asked = coins.asked.count(BACKEND)
    service.replica.turn_until(lambda: coins.asked.count(BACKEND) > asked + 1, "questions")
    assert service.calibrations.known(MACHINE) == "monday"
    assert service.answer(backend=MACHINE)["source"] == "cached"


def test_of_all_replicas_one_asks_when_the_time_has_come(
    connection: Connection, keys: Keys, replica: Replicas, coins: ScriptedIonQ
) -> None:
    replicas = [replica(coins.url) for _ in range(3)]
    service = Service(connection, keys, replicas[0])
    service.answer(backend=MACHINE)
    assert coins.asked.count(BACKEND) == 1
    connection.client.zadd(keys.calibrations, {keys.calibration(MACHINE): 0})
    coins.calibration = "tuesday"

    def told() -> bool:
        for each in replicas:
            each.resources.loop.turn()
        return service.calibrations.known(MACHINE) == "tuesday"

    wait_until(told, what="the news")
    assert coins.asked.count(BACKEND) == 2
