"""Results and compiled circuits are stored within a bound, and what they take adds up to the byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from conditions import wait_until
from house import ENDING, House
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.keys import Keys
from qstore.state.ledger import Ledger

OVERHEAD = 400  # bytes a value counts besides its own
HEAD = len(f"{10**12}   0\n")  # bytes before an outcome
BOUND = 2000


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Iterator[House]:
    """One whose batches leave at once, with room for four small results."""
    made = House(connection, keys, size=10, timeout=0.0, result_bytes=BOUND, circuit_bytes=BOUND)
    yield made
    made.wind_up()


def ledger(house: House, ttl: float) -> Ledger:
    """One that stores results for so many seconds."""
    return Ledger(
        house.connection, house.keys, house.slots, house.breakers, lease=30.0, result_ttl=ttl, result_bytes=BOUND
    )


def settle(house: House, run_id: str, length: int = 20, ledger: Ledger | None = None) -> None:
    """Have a circuit executed, with an outcome of so many characters."""
    job_id = f"{run_id} {next(_numbers)}"
    (answer,) = house.claims.ask([(replace(house.ask(run_id, job_id), max_age=0.0), house.run(run_id))])
    assert answer.kind == "queued"
    batch = house.take()
    assert (ledger or house.ledger).settle(batch, [Ending(f"{{{' ' * (length - 2)}}}")]) is not None
    house.finish(batch)


_numbers = count()


def stored(house: House, *run_ids: str) -> list[str]:
    """Which of the runs are answered from the cache."""
    return [run_id for run_id in run_ids if house.claims.ask([(house.ask(run_id, "asks"), None)])[0].kind == "hit"]


def check_sums(house: House) -> None:
    """Index, sum and values agree."""
    client: Any = house.connection.client
    for (index, total), prefix in (
        (house.keys.results, house.keys.result("")),
        (house.keys.circuits, house.keys.circuit("")),
    ):
        pipe = client.pipeline(transaction=True)  # for which no time passes: both expire at once
        listed, added_up = pipe.zrange(index, 0, -1).get(total).execute()
        members = [member.decode().split(" ", 1) for member in listed]
        assert int(added_up or 0) == sum(int(size) for size, _ in members) <= BOUND
        assert len({key for _, key in members}) == len(members)
        sizes = {key: int(size) for size, key in members}
        for key in client.scan_iter(f"{prefix}*"):
            if length := client.strlen(key):
                assert sizes[key.decode()] == length + OVERHEAD


def test_results_take_what_they_are_and_what_redis_needs_for_them(house: House) -> None:
    settle(house, "r1", 20)
    settle(house, "r2", 70)
    found = house.tally.read()
    assert (found.results, found.result_bytes) == (2, 20 + 70 + 2 * (HEAD + OVERHEAD))
    settle(house, "r2", 30)
    found = house.tally.read()
    assert (found.results, found.result_bytes) == (2, 20 + 30 + 2 * (HEAD + OVERHEAD))


def test_what_expires_soonest_goes_first_when_there_is_no_room(house: House) -> None:
    settle(house, "lasting", ledger=ledger(house, 90.0))
    for number in range(3):
        settle(house, f"r{number}")
    assert stored(house, "lasting", "r0", "r1", "r2") == ["lasting", "r0", "r1", "r2"]
    assert house.tally.read().evictions == 0
    settle(house, "big", 500)
    assert stored(house, "lasting", "r0", "r1", "r2", "big") == ["lasting", "r2", "big"]
    assert house.tally.read().evictions == 2
    check_sums(house)


def test_what_is_larger_than_the_bound_is_not_stored_and_drives_nothing_out(house: House) -> None:
    settle(house, "small")
    settle(house, "huge", BOUND - OVERHEAD - HEAD + 1)
    assert stored(house, "small", "huge") == ["small"]
    settle(house, "just", BOUND - OVERHEAD - HEAD)
    assert stored(house, "small", "just") == ["just"]
    assert house.tally.read().result_bytes == BOUND


def test_an_index_outlives_the_last_of_its_values_by_a_minute_at_most(house: House) -> None:
    client: Any = house.connection.client
    for seconds, lasting in ((40.0, 40.0), (0.02, 40.0), (60.0, 60.0), (140.0, 140.0), (60.0, 140.0)):
        settle(house, f"for {seconds}", ledger=ledger(house, seconds))
        for key in house.keys.results:
            assert lasting < client.pttl(key) / 1000 <= lasting + 60.0
    wait_until(lambda: not client.exists(house.keys.result("for 0.02")))
    assert house.tally.read().results == 3


def test_what_has_expired_takes_no_room_and_is_not_evicted(house: House) -> None:
    client: Any = house.connection.client
    for number in range(4):
        settle(house, f"r{number}", ledger=ledger(house, 0.001))
    wait_until(lambda: not client.keys(house.keys.result("*")))
    settle(house, "lasting")
    assert client.zcard(house.keys.results[0]) == 1
    assert int(client.get(house.keys.results[1])) == 20 + HEAD + OVERHEAD
    assert house.tally.read().evictions == 0


def test_however_much_has_expired_is_not_told_as_stored(house: House) -> None:
    index, total = house.keys.results
    client: Any = house.connection.client
    settle(house, "lasting")
    client.zadd(index, {f"7 {house.keys.result(str(number))}": 1.0 for number in range(2500)})
    client.incrby(total, 7 * 2500)
    found = house.tally.read()
    assert (found.results, found.result_bytes) == (1, 20 + HEAD + OVERHEAD)


def test_nothing_is_stored_where_results_answer_nobody(connection: Connection, keys: Keys) -> None:
    house = House(connection, keys, timeout=0.0, result_ttl=0.0)
    settle(house, "r")
    assert not connection.client.exists(*keys.results)
    assert stored(house, "r") == []
    house.wind_up()


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_exact_whatever_is_stored_replaced_evicted_or_expired(house: House, seed: int) -> None:
    chance = random.Random(seed)
    ledgers = [ledger(house, ttl) for ttl in (0.001, 0.03, 60.0)]
    deeds = set()
    for _ in range(150):
        before = house.tally.read()
        if chance.random() < 0.25:
            circuit(house, f"c{chance.randrange(8)}", b"x" * chance.choice([1, 99, 500, 1600, 1601]))
        else:
            settle(house, f"r{chance.randrange(8)}", chance.choice([2, 99, 500, 2000]), chance.choice(ledgers))
        check_sums(house)
        after = house.tally.read()
        deeds |= {"stored"} if after.results > before.results else set()
        deeds |= {"evicted"} if after.evictions > before.evictions else set()
        deeds |= {"expired"} if after.results < before.results and after.evictions == before.evictions else set()
        deeds |= {"circuit evicted"} if after.circuit_evictions > before.circuit_evictions else set()
    assert deeds == {"stored", "evicted", "expired", "circuit evicted"}


def circuit(house: House, key: str, wire: bytes) -> bytes:
    """Look for a compiled circuit, store it where it is not there, and return what was found."""
    run_id = f"of {key} {next(_numbers)}"
    ask = replace(house.ask(run_id, run_id), circuit_key=key)
    (looked,) = house.claims.ask([(ask, None)])
    assert looked.kind == "miss"
    claim = house.ask(run_id, run_id) if looked.wire else ask
    (claimed,) = house.claims.ask([(claim, replace(house.run(run_id), wire=looked.wire or wire))])
    assert claimed.kind == "queued"
    house.execute({run_id: Ending("{}", cacheable=False)})
    return looked.wire


def test_a_circuit_compiled_by_one_is_found_by_the_next(house: House) -> None:
    assert [circuit(house, "key", b"[1]"), circuit(house, "key", b"[2]"), circuit(house, "other", b"[3]")] == [
        b"",
        b"[1]",
        b"",
    ]
    found = house.tally.read()
    assert (found.circuits, found.circuit_bytes) == (2, 2 * (3 + OVERHEAD))
    assert (found.circuit_hits, found.circuit_misses, found.circuit_hit_rate) == (1, 2, 1 / 3)


def test_circuits_make_room_for_each_other_and_not_for_results(house: House) -> None:
    settle(house, "r")
    for number in range(6):
        circuit(house, f"c{number}", b"[]")
    found = house.tally.read()
    assert (found.circuits, found.circuit_evictions, found.results, found.evictions) == (4, 2, 1, 0)
    assert [circuit(house, f"c{number}", b"[]") for number in (5, 1)] == [b"[]", b""]


def test_whoever_names_no_circuit_finds_and_stores_none(house: House) -> None:
    assert house.submit("r", "j")[0] == "queued"
    house.execute({"r": ENDING})
    found = house.tally.read()
    assert (found.circuits, found.circuit_hits, found.circuit_misses) == (0, 0, 0)
