"""What was executed stands in the outbox, in the move that settles it, until an archive has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, GROUP, OUTCOME, House
from qstore.answer import to_answer
from qstore.errors import JobFailedError
from qstore.job import Batch, Run
from qstore.state.connection import Connection
from qstore.state.ending import Ending, StaleError
from qstore.state.keys import Keys
from qstore.state.outbox import Outbox, Sent

LEASE = 0.05  # seconds
WAIT = 0.01  # seconds
EXECUTED = replace(ENDING, executed=OUTCOME)


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Iterator[House]:
    made = House(connection, keys, timeout=0.0, archives=True)
    yield made
    made.wind_up()


def outbox(house: House, reader: str = "one", lease: float = 30.0) -> Outbox:
    return Outbox(house.connection, house.keys, reader, lease)


def take(outbox: Outbox, count: int = 100) -> list[Sent]:
    """What there is, as soon as there is something."""
    return wait_until(lambda: outbox.take(count, WAIT), what="something in the outbox")


def waiting(house: House) -> int:
    """How many are not archived yet."""
    return int(house.connection.client.xlen(house.keys.outbox))


def execute(house: House, *run_ids: str, ending: Ending = EXECUTED) -> None:
    for run_id in run_ids:
        house.submit(run_id, f"job of {run_id}")
    house.execute(dict.fromkeys(run_ids, ending))


def test_what_was_executed_is_there_whole(house: House) -> None:
    execute(house, "r")
    (sent,) = take(outbox(house))
    assert sent.outcome == OUTCOME.encode()
    assert Run.from_fields(sent.head, sent.wire) == house.run("r")


def test_what_differs_from_the_outcome_is_there_as_it_was_executed(house: House) -> None:
    execute(house, "r", ending=replace(ENDING, executed='{"part": 1}'))
    assert [sent.outcome for sent in take(outbox(house))] == [b'{"part": 1}']


def test_failures_and_what_the_archive_knew_are_not_there(house: House) -> None:
    execute(house, "failed", ending=Ending(to_answer(JobFailedError("no")), cacheable=False))
    execute(house, "executed")
    assert [Run.from_fields(sent.head, sent.wire).run_id for sent in take(outbox(house))] == ["executed"]


def test_without_an_archive_nothing_is(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, timeout=0.0)
    execute(house, "r")
    assert waiting(house) == 0
    house.wind_up()


def test_each_entry_goes_to_one_reader_and_leaves_when_it_is_done(house: House) -> None:
    execute(house, "a", "b", "c")
    one, other = outbox(house, "one"), outbox(house, "other")
    first = take(one, 2)
    rest = take(other)
    assert len(first) == 2
    assert len(rest) == 1
    assert {sent.entry_id for sent in first}.isdisjoint(sent.entry_id for sent in rest)
    assert waiting(house) == 3
    one.done(first)
    assert waiting(house) == 1
    other.done(rest)
    assert waiting(house) == 0
    assert one.take(100, WAIT) == other.take(100, WAIT) == []


def test_what_a_dead_reader_had_in_hand_is_another_s_when_its_lease_is_over(house: House) -> None:
    execute(house, "r")
    dead = take(outbox(house, "dead"))
    assert outbox(house, "patient", lease=30.0).take(100, WAIT) == []
    assert take(outbox(house, "heir", LEASE)) == dead


def test_what_the_archive_refuses_is_kept_apart_with_the_reason(house: House) -> None:
    execute(house, "r")
    box = outbox(house)
    (sent,) = take(box)
    box.refuse(sent, "too long")
    assert (waiting(house), house.connection.client.xlen(house.keys.outbox_refused)) == (0, 1)
    client: Any = house.connection.client
    ((_, fields),) = client.xrange(house.keys.outbox_refused)
    assert fields == {b"head": sent.head, b"wire": sent.wire, b"outcome": sent.outcome, b"why": b"too long"}


def test_a_redis_that_forgot_everything_is_no_obstacle(house: House) -> None:
    execute(house, "before")
    box = outbox(house)
    box.done(take(box))
    house.connection.client.delete(house.keys.outbox)
    execute(house, "after")
    assert [Run.from_fields(sent.head, sent.wire).run_id for sent in take(box)] == ["after"]


def test_a_reader_that_leaves_is_forgotten_unless_it_holds_something(house: House) -> None:
    client: Any = house.connection.client

    def readers() -> set[str]:
        return {each["name"].decode() for each in client.xinfo_consumers(house.keys.outbox, "archive")}

    execute(house, "r")
    idle, busy = outbox(house, "idle"), outbox(house, "busy")
    held = take(busy)
    idle.take(100, WAIT)
    busy.leave()
    idle.leave()
    assert readers() == {"busy"}
    busy.done(held)
    busy.leave()
    assert readers() == set()
    client.delete(house.keys.outbox)
    busy.leave()


# -- what the archive answers ---------------------------------------------------------------------------------


def ask(house: House, run_id: str, job_id: str, archive_age: float, **ask: Any) -> None:
    """Look, then claim or join."""
    asked = replace(house.ask(run_id, job_id), archive_age=archive_age, **ask)
    group = replace(GROUP, backend=asked.backend)
    (answer,) = house.claims.ask([(asked, None)])
    if answer.kind == "miss":
        house.claims.ask([(asked, house.run(run_id, group))])


def known(age: float) -> Ending:
    return replace(ENDING, usd=2.0, age=age)


def test_a_run_knows_how_old_an_archived_outcome_may_be_for_all_who_wait(house: House) -> None:
    ask(house, "r", "first", 100.0)
    ask(house, "r", "patient", 500.0)
    ask(house, "s", "only", 7.5)
    ask(house, "t", "none", 0.0)
    batch = house.take()
    assert {each.run.run_id: each.archive_age for each in house.batches.load(batch)} == {"r": 100.0, "s": 7.5, "t": 0.0}
    ask(house, "r", "in a hurry", 20.0)
    assert house.batches.load(batch)[0].archive_age == 20.0
    house.ledger.settle(batch, [ENDING] * 3)
    house.finish(batch)


def test_some_runs_leave_their_batch_and_each_half_goes_its_own_way(house: House) -> None:
    for run_id in "rst":
        ask(house, run_id, f"job of {run_id}", 100.0)
    batch = house.take()
    parted = house.batches.part(batch, ["s"])
    assert parted is not None
    part, rest = parted
    assert (part.run_ids, rest.run_ids) == (("s",), ("r", "t"))
    assert house.ledger.settle(part, [known(1.0)]) is not None
    house.finish(part)
    begun = house.batches.begin(rest)
    assert begun is not None
    assert [each.run.run_id for each in begun[1]] == ["r", "t"]
    assert house.ledger.settle(begun[0], [ENDING] * 2) is not None
    house.finish(begun[0])
    assert house.ended == {f"job of {run_id}": ["counts"] for run_id in "rst"}
    found = house.tally.read()
    assert (found.misses, found.recalls, found.saved_usd) == (3, 1, 2.0)


def test_a_part_whose_replica_died_goes_back_to_its_group(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, timeout=0.0, lease=LEASE)
    for run_id in "rs":
        ask(house, run_id, f"job of {run_id}", 100.0)
    batch = house.take()
    assert house.batches.part(batch, ["s"]) is not None
    due: dict[tuple[str, ...], Batch] = {}
    wait_until(lambda: due.update({each.run_ids: each for each in house.ledger.tick(25).batches}) or len(due) == 2)
    assert {(each.state, each.begun) for each in due.values()} == {("intent", False)}
    house.wind_up()
    assert house.ended == {"job of r": ["counts"], "job of s": ["counts"]}


def test_whose_lease_is_over_parts_nothing(house: House) -> None:
    ask(house, "r", "one", 100.0)
    ask(house, "s", "other", 100.0)
    batch = house.take()
    assert house.batches.part(replace(batch, lease="1"), ["s"]) is None
    house.ledger.settle(batch, [ENDING] * 2)
    house.finish(batch)


def test_an_archived_outcome_is_stored_as_old_as_it_is_and_no_longer_than_it_answers(house: House) -> None:
    for run_id in "rs":
        ask(house, run_id, f"job of {run_id}", 1000.0)
    batch = house.take()
    assert house.ledger.settle(batch, [known(20.0), known(61.0)]) is not None  # results answer for 60 s here
    house.finish(batch)
    (young,) = house.claims.ask([(house.ask("r", "later"), None)])
    assert (young.kind, young.outcome) == ("hit", OUTCOME.encode())
    assert 20.0 <= young.age < 25.0
    assert 35_000 < house.connection.client.pttl(house.keys.result("r")) <= 40_000
    (old,) = house.claims.ask([(house.ask("s", "later"), None)])
    assert old.kind == "miss"


def test_whoever_wants_it_fresher_meanwhile_gets_it_executed(house: House) -> None:
    ask(house, "r", "first", 100.0)
    batch = house.take()
    ask(house, "r", "in a hurry", 20.0)
    with pytest.raises(StaleError):
        house.ledger.settle(batch, [known(30.0)])
    assert house.batches.load(batch)[0].archive_age == 0.0
    with pytest.raises(StaleError):
        house.ledger.settle(batch, [known(1.0)])
    assert house.ledger.settle(batch, [EXECUTED]) is not None
    house.finish(batch)


def test_an_outcome_of_another_calibration_answers_nobody(house: House) -> None:
    machine = replace(GROUP, backend="qpu.forte-1")
    client: Any = house.connection.client
    client.set(house.keys.calibration(machine.backend), "now")
    for run_id in "rs":
        ask(house, run_id, f"job of {run_id}", 100.0, backend=machine.backend)
    batch = house.take(machine)
    with pytest.raises(StaleError):
        house.ledger.settle(batch, [replace(known(1.0), calibration=each) for each in ("now", "then")])
    assert [each.archive_age for each in house.batches.load(batch)] == [100.0, 0.0]
    assert house.ledger.settle(batch, [replace(known(1.0), calibration="now"), EXECUTED]) is not None
    house.finish(batch)
