"""Waiting runs leave by priority, then by age; one that comes back stands where it stood."""

from __future__ import annotations

import random

from house import GROUP, House
from qstore.job import Batch, Group
from qstore.state.connection import Connection
from qstore.state.keys import Keys


def take(house: House, group: Group = GROUP) -> tuple[Batch, str]:
    """A batch, and which runs are in it."""
    batch = house.batches.take(group).batch
    assert batch is not None
    return batch, " ".join(batch.run_ids)


def submit(house: House, **priorities: int) -> None:
    for run_id, priority in priorities.items():
        assert house.submit(run_id, f"j{run_id}", priority=priority)[0] == "queued"


def test_zero_goes_first_and_nine_last_and_equals_by_age(house: House) -> None:
    submit(house, a=9, b=0, c=5, d=0, e=9, f=5, g=1, h=0, i=8)
    assert [take(house)[1] for _ in range(3)] == ["b d h", "g c f", "i a e"]


def test_zero_is_what_nobody_asks_for(house: House) -> None:
    submit(house, later=1)
    house.submit("r", "j")
    assert house.waiting_runs() == ["r", "later"]


def test_an_old_run_does_not_overtake_a_hurried_one_however_long_it_waits(house: House) -> None:
    pending, year = house.keys.pending(GROUP.to_json()), 3.2e13  # microseconds
    submit(house, old=1, new=0)
    house.connection.client.zincrby(pending, -year, "old")
    house.connection.client.hincrbyfloat(house.keys.run("old"), "place", -year)
    submit(house, newer=1)
    assert house.waiting_runs() == ["new", "old", "newer"]


def test_whoever_joins_in_a_hurry_takes_the_run_along_and_its_age_counts(house: House) -> None:
    submit(house, a=5, b=9, c=2, d=2)
    assert house.submit("b", "hurried", priority=2) == ("joined", False)
    assert house.waiting_runs() == ["b", "c", "d", "a"]


def test_whoever_joins_with_time_does_not_hold_a_run_back(house: House) -> None:
    submit(house, a=2, b=2)
    house.submit("a", "patient", priority=9)
    assert house.waiting_runs() == ["a", "b"]
    house.submit("a", "as patient as before", priority=2)
    assert house.waiting_runs() == ["a", "b"]


def test_whoever_joins_a_taken_run_in_a_hurry_puts_it_in_no_group_and_moves_it_once_it_is_back(house: House) -> None:
    submit(house, a=5, b=5, c=5, d=1)
    batch, runs = take(house)
    assert runs == "d a b"
    house.submit("b", "hurried", priority=0)
    assert house.waiting_runs() == ["c"]
    assert house.batches.put_back(batch, 0, blame=False) == "returned"
    assert house.waiting_runs() == ["b", "d", "a", "c"]


def test_what_comes_back_stands_where_it_stood(house: House) -> None:
    submit(house, a=3, b=3, c=3)
    batch, _ = take(house)
    submit(house, d=3, e=0, f=9)
    assert house.batches.put_back(batch, 0, blame=True) == "returned"
    assert house.waiting_runs() == ["e", "a", "b", "c", "d", "f"]


def test_halves_are_cut_in_order_and_keep_their_order(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, size=5)
    submit(house, a=9, b=4, c=4, d=0, e=7)
    batch, runs = take(house)
    assert runs == "d b c e a"
    halves = house.batches.split(batch)
    assert halves is not None
    house.submit("a", "hurried", priority=0)
    assert [take(house, half)[1] for half in halves] == ["d b c", "a e"]
    house.wind_up()


def test_many_claims_in_one_trip_keep_their_order(house: House) -> None:
    asks = [(house.ask(f"r{number}", f"j{number}"), house.run(f"r{number}")) for number in range(300)]
    house.claims.ask(asks)
    assert house.waiting_runs() == [f"r{number}" for number in range(300)]


def test_whatever_comes_and_goes_the_order_is_that_of_priority_and_age(house: House) -> None:
    chance = random.Random(7)
    stands: dict[str, tuple[int, int]] = {}
    out: list[Batch] = []
    for turn in range(200):
        run_id, priority = f"r{chance.randrange(60)}", chance.randrange(10)
        kind, _ = house.submit(run_id, f"j{turn}", priority=priority)
        before, since = stands.get(run_id, (priority, turn))
        assert (kind == "joined") is (run_id in stands)
        stands[run_id] = (min(before, priority), since)
        if len(out) < 3 and chance.random() < 0.3:
            expected = sorted(house.waiting_runs(), key=stands.__getitem__)[:3]
            if taken := house.batches.take(GROUP).batch:
                assert list(taken.run_ids) == expected
                out.append(taken)
        elif out and chance.random() < 0.4:
            assert house.batches.put_back(out.pop(), 0, blame=False) == "returned"
        waiting = house.waiting_runs()
        assert waiting == sorted(waiting, key=stands.__getitem__)
    for batch in out:
        house.batches.put_back(batch, 0, blame=False)
    assert house.waiting_runs() == sorted(stands, key=stands.__getitem__)
