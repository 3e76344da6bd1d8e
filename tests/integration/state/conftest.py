"""The shared state of one test, which has to come to its end with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from house import House
from qstore.state.connection import Connection
from qstore.state.keys import Keys


@pytest.fixture
def house(connection: Connection, keys: Keys) -> Iterator[House]:
    """Whatever is in it at the end is brought to its end; what is left then fails the test."""
    made = House(connection, keys)
    yield made
    made.wind_up()
    assert {job_id: ends for job_id, ends in made.ended.items() if len(ends) != 1} == {}
