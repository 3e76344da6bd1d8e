"""Shots add up: what is banked is not bought again, and nobody gets fewer shots than they asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from qstore.errors import InvalidOptionError, JobFailedError
from qstore.options import parse_options
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from scripted_ionq import Part, ScriptedIonQ, fair
from service import Service
from workers.endings import Endings

pytestmark = pytest.mark.usefixtures("redis_server")


def failing(part: Part) -> None:
    part.document |= {"status": "failed", "failure": {"code": "InternalError", "message": "no luck"}}


def parts(result: dict[str, Any]) -> list[tuple[str, int]]:
    return [(part["remote_id"], part["shots"]) for part in result["parts"]]


def test_only_what_is_missing_is_bought_and_all_of_it_is_merged(service: Service, coins: ScriptedIonQ) -> None:
    first = service.answer(shots=1000, reuse="bank")
    second = service.answer(shots=4000, reuse="bank")
    assert coins.shots == [1000, 3000]
    assert (first["source"], second["source"]) == ("executed", "executed")
    assert (parts(first), parts(second)) == ([("job-1", 1000)], [("job-1", 1000), ("job-2", 3000)])
    assert (sum(first["counts"].values()), sum(second["counts"].values())) == (1000, 4000)
    assert Counter(first["counts"]) <= Counter(second["counts"])
    assert second["executed_at"] == first["executed_at"]
    assert second["age"] == pytest.approx(second["times"]["done"] - first["times"]["done"])
    assert second["probabilities"] == first["probabilities"]


def test_fewer_than_there_are_are_drawn_and_nothing_is_bought(service: Service, coins: ScriptedIonQ) -> None:
    banked = service.answer(shots=1000, reuse="bank")
    one, other = service.answer(shots=500, reuse="bank"), service.answer(shots=500, reuse="bank")
    assert coins.shots == [1000]
    for drawn in (one, other):
        assert (drawn["source"], drawn["shots"], parts(drawn)) == ("banked", 500, [("job-1", 500)])
        assert sum(drawn["counts"].values()) == 500
        assert Counter(drawn["counts"]) <= Counter(banked["counts"])
        assert drawn["cost"] == {"quantum_seconds": 0.0, "usd": 0.0}
    assert one["counts"] != other["counts"]
    assert sum(service.answer(shots=1000, reuse="bank")["counts"].values()) == 1000
    assert service.tally.read().hits == 3


def test_banks_are_for_those_who_ask_for_them(service: Service, coins: ScriptedIonQ) -> None:
    service.answer(shots=1000)
    banked = service.answer(shots=1000, reuse="bank")
    assert banked["source"] == "executed"
    assert service.answer(shots=1000)["parts"] is None
    assert coins.shots == [1000, 1000]


def test_who_joins_for_more_waits_until_the_rest_is_bought(service: Service, coins: ScriptedIonQ) -> None:
    few, more, most = (service.ask(shots=shots, reuse="bank") for shots in (300, 1000, 700))
    results = service.read(few, more, most)
    assert coins.shots == [300, 700]
    assert [(each["shots"], sum(each["counts"].values())) for each in results] == [(300, 300), (1000, 1000), (700, 700)]
    assert [each["source"] for each in results] == ["executed", "executed", "joined"]
    assert parts(results[1]) == [("job-1", 300), ("job-2", 700)]
    assert Counter(results[2]["counts"]) <= Counter(results[1]["counts"])
    tally = service.tally.read()
    assert (tally.misses, tally.joins) == (1, 2)


def test_who_asks_for_more_while_the_outcome_is_read_is_seen(
    service: Service, coins: ScriptedIonQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = service.ask(shots=100, reuse="bank")
    late: list[Any] = []
    of = Endings.of

    def slow(*args: Any) -> Any:
        found = of(*args)
        if not late:
            late.append(service.ask(shots=250, reuse="bank"))
        return found

    monkeypatch.setattr(Endings, "of", slow)
    service.replica.turn_until(lambda: late, "the outcome")
    results = service.read(first, *late)
    assert [sum(each["counts"].values()) for each in results] == [100, 250]
    assert coins.shots == [100, 150]


def test_a_purchase_that_fails_takes_nothing_from_the_bank(service: Service, coins: ScriptedIonQ) -> None:
    service.answer(shots=100, reuse="bank")
    coins.prepare = failing
    failed = service.ask(shots=400, reuse="bank")
    with pytest.raises(JobFailedError, match="no luck"):
        service.read(failed)
    coins.prepare = fair
    assert service.answer(shots=100, reuse="bank")["source"] == "banked"
    assert sum(service.answer(shots=400, reuse="bank")["counts"].values()) == 400
    assert coins.shots == [100, 300, 300]


def test_shots_of_another_calibration_are_not_added_up(service: Service, coins: ScriptedIonQ) -> None:
    machine: dict[str, Any] = {"backend": "qpu.forte-1", "reuse": "bank"}
    service.answer(shots=1000, **machine)
    coins.calibration = "tuesday"
    service.calibrations.renew("qpu.forte-1", "tuesday")
    result = service.answer(shots=1500, **machine)
    assert (coins.shots, parts(result)) == ([1000, 1500], [("job-2", 1500)])
    assert sum(result["counts"].values()) == 1500


def test_money_is_saved_by_the_share_of_what_was_drawn(service: Service) -> None:
    machine: dict[str, Any] = {"backend": "qpu.forte-1", "reuse": "bank"}
    service.answer(shots=1000, **machine)
    service.answer(shots=250, **machine)
    assert service.tally.read().saved_usd == pytest.approx(0.25)


def test_a_machine_that_debiases_is_not_asked_for_fewer_shots_than_it_takes(
    service: Service, coins: ScriptedIonQ
) -> None:
    machine: dict[str, Any] = {"backend": "qpu.forte-1", "reuse": "bank", "error_mitigation": "debiasing"}
    service.answer(shots=1000, **machine)
    result = service.answer(shots=1100, **machine)
    assert coins.shots == [1000, 500]
    assert sum(part["shots"] for part in result["parts"]) == 1100


def test_a_seed_has_no_place_in_a_bank() -> None:
    with pytest.raises(InvalidOptionError, match="same sample"):
        parse_options({"reuse": "bank", "seed": 1})


def test_a_bank_that_keeps_nothing_is_not_asked_for_the_rest_for_ever(
    connection: Connection, keys: Keys, replica: Callable[..., Any], coins: ScriptedIonQ
) -> None:
    service = Service(connection, keys, replica(coins.url, result_cache_bytes=1))
    few, more = service.read(service.ask(shots=300, reuse="bank"), service.ask(shots=1000, reuse="bank"))
    assert (few["shots"], more["shots"], parts(more)) == (300, 1000, [("job-3", 1000)])
    assert coins.shots == [300, 700, 1000]
