"""A machine's calibration is known, and asked for again, as long as it matters to anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from house import ENDING, GROUP, LEASE, TOLD, House
from qstore.job import Batch
from qstore.state.calibrations import Calibrations
from qstore.state.connection import Connection
from qstore.state.keys import Keys

MACHINE = replace(GROUP, backend="qpu.forte-1")


@pytest.fixture
def calibrations(connection: Connection, keys: Keys) -> Calibrations:
    """Of machines that IonQ is to be asked for again at once."""
    return Calibrations(connection, keys, interval=0.0, lease=LEASE)


def left(house: House) -> float:
    """Seconds for which the machine's calibration will be known."""
    client: Any = house.connection.client
    return float(client.pttl(house.keys.calibration(MACHINE.backend))) / 1000


def begin(house: House) -> Batch:
    """Have a batch for the machine sent."""
    for number in range(3):
        house.submit(f"r{number}", f"j{number}", MACHINE)
    begun = house.batches.begin(house.take(MACHINE))
    assert begun is not None
    return begun[0]


def claim(house: House) -> Batch:
    (batch,) = house.claim_due()
    return batch


def test_a_machine_nobody_asked_for_is_told_from_one_ionq_says_nothing_of(
    house: House, calibrations: Calibrations
) -> None:
    assert calibrations.known(MACHINE.backend) is None
    calibrations.renew(MACHINE.backend, "nobody cares")
    assert calibrations.known(MACHINE.backend) is None
    calibrations.begin(MACHINE.backend, "")
    assert calibrations.known(MACHINE.backend) == ""
    calibrations.renew(MACHINE.backend, "monday")
    assert calibrations.known(MACHINE.backend) == "monday"
    assert 0 < left(house) <= 2 * LEASE


def test_it_is_asked_for_again_by_one_at_a_time_until_it_matters_no_more(
    house: House, calibrations: Calibrations, connection: Connection
) -> None:
    calibrations.begin(MACHINE.backend, "monday")
    calibrations.begin("qpu.aria-1", "tuesday")
    connection.client.delete(house.keys.calibration("qpu.aria-1"))
    assert [house.ledger.tick(25).machines for _ in range(2)] == [(MACHINE.backend,), ()]
    assert connection.client.zcard(house.keys.calibrations) == 1
    connection.client.zadd(house.keys.calibrations, {house.keys.calibration(MACHINE.backend): 0})
    assert house.ledger.tick(25).machines == (MACHINE.backend,)


def test_whoever_asks_first_does_not_shorten_what_another_has_put_off(
    house: House, calibrations: Calibrations, connection: Connection
) -> None:
    calibrations.begin(MACHINE.backend, "monday")
    connection.client.pexpire(house.keys.calibration(MACHINE.backend), 900_000)
    calibrations.begin(MACHINE.backend, "tuesday")
    assert left(house) > 890


def test_it_matters_while_a_batch_is_sent_and_at_ionq_and_while_its_results_are_stored(
    connection: Connection, keys: Keys, calibrations: Calibrations
) -> None:
    house = House(connection, keys, result_ttl=3600.0)
    calibrations.begin(MACHINE.backend, "monday")

    def nearly_over() -> None:
        connection.client.pexpire(keys.calibration(MACHINE.backend), 1000)

    nearly_over()
    batch = begin(house)
    assert left(house) > 1.5 * LEASE
    assert house.ledger.submitted(batch, "remote", pause=0, told=TOLD)
    nearly_over()
    seen = claim(house)
    assert house.ledger.postpone(seen, 0.0) is not None
    assert left(house) > 2.5 * LEASE
    last = claim(house)
    assert house.ledger.settle(last, [ENDING] * 3) is not None
    assert left(house) > 3500
    house.finish(last)
    house.wind_up()


def test_a_batch_was_executed_under_what_was_known_when_it_was_sent_if_that_is_known_still(
    house: House, calibrations: Calibrations
) -> None:
    calibrations.begin(MACHINE.backend, "monday")
    batch = begin(house)
    calibrations.renew(MACHINE.backend, "tuesday")
    assert house.ledger.submitted(batch, "remote", pause=0, told=TOLD)
    seen = claim(house)
    assert seen.calibration == "monday"
    assert calibrations.throughout(seen) is None
    calibrations.renew(MACHINE.backend, "monday")
    assert calibrations.throughout(seen) == "monday"
    assert calibrations.throughout(replace(seen, calibration="")) is None
    calibrations.renew(MACHINE.backend, "")
    assert calibrations.throughout(replace(seen, calibration="")) is None
    house.ledger.settle(seen, [ENDING] * 3)


def test_the_simulator_has_none(house: House, calibrations: Calibrations) -> None:
    for number in range(3):
        house.submit(f"r{number}", f"j{number}")
    begun = house.batches.begin(house.take())
    assert begun is not None
    assert house.ledger.submitted(begun[0], "remote", pause=0, told=TOLD)
    seen = claim(house)
    assert (seen.calibration, calibrations.known("simulator")) == ("", None)
    assert house.ledger.postpone(seen, 0.0) is not None
    assert house.ledger.settle(claim(house), [ENDING] * 3) is not None
    assert calibrations.known("simulator") is None
