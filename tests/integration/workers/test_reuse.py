"""What a caller gets who asks for a circuit again: which sample it is, how old it is, and what it cost."""

from __future__ import annotations

import time
from typing import Any

import pytest

from scripted_ionq import SUBMIT, ScriptedIonQ
from service import Service

pytestmark = pytest.mark.usefixtures("redis_server")


def sample(result: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one sample from another."""
    return result["counts"], result["seed"], result["remote_id"], result["executed_at"]


def test_always_is_the_same_sample_again_and_says_so(service: Service, coins: ScriptedIonQ) -> None:
    before = time.time()
    first, joined = service.read(service.ask(), service.ask(reuse="always"))
    after = time.time()
    assert (first["source"], first["age"], joined["source"], joined["age"]) == ("executed", 0.0, "joined", 0.0)
    assert before <= first["executed_at"] <= after
    service.make_older(42.0)
    again = service.answer(reuse=True)
    assert again["source"] == "cached"
    assert 42.0 <= again["age"] < 42.0 + time.time() - before
    assert sample(again) == sample(joined) == sample(first)
    assert [each["cost"]["usd"] for each in (first, joined, again)] == [0.0, 0.0, 0.0]
    assert coins.asked.count(SUBMIT) == 1


@pytest.mark.parametrize("never", ["never", False])
def test_never_is_a_new_sample_each_time_and_answers_nobody_else(service: Service, never: Any) -> None:
    service.answer()
    results = service.read(service.ask(reuse=never), service.ask(reuse=never), service.ask())
    assert [result["source"] for result in results] == ["executed", "executed", "cached"]
    assert all(result["age"] == 0.0 for result in results[:2])
    assert len({result["seed"] for result in results}) == 3
    assert len({result["executed_at"] for result in results}) == 3


def test_inflight_joins_what_runs_and_takes_nothing_that_was_stored(service: Service, coins: ScriptedIonQ) -> None:
    old = service.answer()
    first, joined = service.read(service.ask(reuse="inflight"), service.ask(reuse="inflight"))
    assert [(each["source"], each["age"]) for each in (first, joined)] == [("executed", 0.0), ("joined", 0.0)]
    assert sample(first) == sample(joined) != sample(old)
    assert first["executed_at"] > old["executed_at"]
    assert sample(service.answer()) == sample(first)
    assert coins.asked.count(SUBMIT) == 2


def test_whoever_waits_for_a_new_sample_is_not_answered_with_the_old_one_nor_others_kept_from_it(
    service: Service,
) -> None:
    old = service.answer()
    waits = service.ask(reuse="inflight")
    assert sample(service.answer()) == sample(old)
    (new,) = service.read(waits)
    assert new["source"] == "executed"


def test_max_age_takes_a_young_result_and_executes_instead_of_an_old_one(service: Service, coins: ScriptedIonQ) -> None:
    old = service.answer()
    service.make_older(60.0)
    young = service.answer(max_age=120)
    assert (young["source"], sample(young)) == ("cached", sample(old))
    assert 60.0 <= young["age"] < 120.0
    new, joined = service.read(service.ask(max_age=59.9), service.ask(max_age=30))
    assert [(each["source"], each["age"]) for each in (new, joined)] == [("executed", 0.0), ("joined", 0.0)]
    assert sample(new) == sample(joined) != sample(old)
    again = service.answer(max_age=30)
    assert (again["source"], sample(again)) == ("cached", sample(new))
    assert coins.asked.count(SUBMIT) == 2
