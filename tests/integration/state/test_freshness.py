"""What a stored result must be to answer: young enough, and of the machine as it is; a running circuit is joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from house import ENDING, GROUP, OUTCOME, House
from qstore.state.claims import Answer
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.keys import Keys

MACHINE = replace(GROUP, backend="qpu.forte-1")
NEWER = '{"states":{"3":100}}'


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Iterator[House]:
    """One whose batches leave at once."""
    made = House(connection, keys, timeout=0.0)
    yield made
    made.wind_up()


@pytest.fixture
def stored(house: House) -> None:
    """A result of `r`, 50 s old."""
    submit(house, "first")
    house.execute({"r": ENDING})
    make_older(house, 50.0)


def make_older(house: House, seconds: float) -> None:
    """Have the result of `r` been stored so many seconds earlier."""
    client: Any = house.connection.client
    at, rest = client.get(house.keys.result("r")).split(b" ", 1)
    client.set(house.keys.result("r"), b"%d %b" % (int(at) - round(seconds * 1000), rest), keepttl=True)


def submit(house: House, job_id: str, **ask: Any) -> Answer:
    """Look for `r`, then claim it."""
    asked = replace(house.ask("r", job_id), **ask)
    group = replace(GROUP, backend=asked.backend)
    (answer,) = house.claims.ask([(asked, None)])
    if answer.kind == "miss":
        (answer,) = house.claims.ask([(asked, house.run("r", group))])
    return answer


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("max_age", [None, 51.0, 3600.0])
def test_a_stored_result_answers_and_says_how_old_it_is(house: House, max_age: float | None) -> None:
    answer = submit(house, "second", max_age=max_age)
    assert (answer.kind, answer.outcome) == ("hit", OUTCOME.encode())
    assert 50.0 <= answer.age < 51.0


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("max_age", [0.0, 0.0001, 49.9, 50.0])
def test_a_result_that_is_too_old_is_executed_again_and_replaced(house: House, max_age: float) -> None:
    assert submit(house, "second", max_age=max_age).kind == "queued"
    assert submit(house, "anybody").kind == "hit"
    assert submit(house, "third", max_age=max_age).kind == "joined"
    house.execute({"r": Ending(NEWER)})
    again = submit(house, "fourth", max_age=49.9)
    assert (again.kind, again.outcome) == ("hit", NEWER.encode())
    assert again.age < 49.9
    assert submit(house, "fifth", max_age=0.0).kind == "queued"


def test_whoever_takes_no_stored_result_joins_what_runs(house: House) -> None:
    assert submit(house, "first").kind == "queued"
    assert [submit(house, f"j{age}", max_age=age).kind for age in (0.0, 0.001)] == ["joined", "joined"]


@pytest.mark.usefixtures("stored")
def test_a_job_that_is_delivered_again_waits_for_its_own_run_and_takes_no_older_result(house: House) -> None:
    ask, run = replace(house.ask("r", "second"), max_age=40.0), house.run("r")
    (first,) = house.claims.ask([(ask, run)])
    again = [house.claims.ask([(replace(ask, max_age=age), found)])[0] for age in (40.0, None) for found in (None, run)]
    assert [first.kind, *(answer.kind for answer in again)] == ["queued", *["joined"] * 4]
    batch = house.take()
    assert house.ledger.settle(batch, [Ending(NEWER)]) is not None
    # settled and not finished: what it waited for is on the way to it
    assert house.claims.ask([(ask, run)])[0].kind == "joined"
    assert [job.job_id for job in house.ledger.unfinished(batch)[0].jobs] == ["second"]
    house.finish(batch)


def test_between_look_and_claim_another_s_new_result_answers_unless_none_is_taken(house: House) -> None:
    patient, strict = (replace(house.ask("r", f"{age}"), max_age=age) for age in (60.0, 0.0))
    assert [answer.kind for answer in house.claims.ask([(patient, None), (strict, None)])] == ["miss", "miss"]
    submit(house, "another")
    house.execute({"r": ENDING})
    kinds = [answer.kind for answer in house.claims.ask([(patient, house.run("r")), (strict, house.run("r"))])]
    assert kinds == ["hit", "queued"]


@pytest.mark.usefixtures("stored")
def test_a_hit_writes_nothing_but_counters(house: House) -> None:
    client: Any = house.connection.client

    def all_else() -> dict[bytes, bytes]:
        keys = {*client.scan_iter(f"{house.keys.prefix}*")} - {house.keys.tally.encode()}
        return {key: client.dump(key) for key in keys}

    before = all_else()
    assert submit(house, "second").kind == "hit"
    assert all_else() == before


# -- counting ---------------------------------------------------------------------------------------------------


def test_hits_joins_and_misses_are_counted_with_what_they_saved(house: House) -> None:
    assert house.tally.read().hit_rate is None
    for number in range(3):
        submit(house, f"waits {number}")
    house.execute({"r": Ending(OUTCOME, usd=0.25)})
    for number in range(4):
        assert submit(house, f"later {number}").kind == "hit"
    found = house.tally.read()
    assert (found.hits, found.joins, found.misses) == (4, 2, 1)
    assert found.saved_usd == 6 * 0.25
    assert found.hit_rate == 6 / 7


def test_looks_that_miss_redeliveries_and_jobs_without_room_are_not_counted(house: House) -> None:
    house.budget = replace(house.budget, limit=1)
    house.claims._budget = house.budget
    ask = house.ask("r", "first")
    assert [house.claims.ask([(ask, run)])[0].kind for run in (None, house.run("r"), house.run("r"))] == [
        "miss",
        "queued",
        "joined",
    ]
    assert house.submit("other", "second")[0] == "full"
    found = house.tally.read()
    assert (found.hits, found.joins, found.misses) == (0, 0, 1)


def test_a_run_everybody_left_saves_nothing_and_takes_nothing_away(house: House) -> None:
    submit(house, "leaves")
    for job_id in ("stays", "joins"):
        house.submit("other", job_id)
    batch = house.take()
    house.cancellations.cancel(["leaves"])
    assert house.ledger.settle(batch, [Ending(OUTCOME, usd=5.0), Ending(OUTCOME, usd=2.0)]) is not None
    house.finish(batch)
    assert house.tally.read().saved_usd == 2.0


# -- calibration ------------------------------------------------------------------------------------------------


def test_a_result_answers_under_the_calibration_it_was_executed_under(house: House) -> None:
    client: Any = house.connection.client
    key = house.keys.calibration(MACHINE.backend)

    def kinds() -> tuple[str, str]:
        """What becomes of those who ask for the machine, and for another backend."""
        asks = [replace(house.ask("r", "asks"), backend=backend) for backend in (MACHINE.backend, "simulator")]
        first, other = house.claims.ask([(ask, None) for ask in asks])
        return first.kind, other.kind

    assert submit(house, "first", backend=MACHINE.backend).kind == "queued"
    batch = house.take(MACHINE)
    house.ledger.settle(batch, [Ending(OUTCOME, calibration="monday")])
    house.finish(batch)
    assert kinds() == ("hit", "hit")  # what is not known is held against nobody
    for current, kind in (("monday", "hit"), ("tuesday", "miss"), ("", "hit"), ("monday", "hit")):
        client.set(key, current, px=60_000)
        assert kinds() == (kind, "hit"), current


def test_a_result_of_an_unknown_calibration_does_not_answer_once_one_is_known(house: House) -> None:
    submit(house, "first", backend=MACHINE.backend)
    batch = house.take(MACHINE)
    house.connection.client.set(house.keys.calibration(MACHINE.backend), "monday", px=60_000)
    house.ledger.settle(batch, [ENDING])
    house.finish(batch)
    assert submit(house, "second", backend=MACHINE.backend).kind == "queued"
    assert submit(house, "third", backend=MACHINE.backend).kind == "joined"
