"""Producers, cancelers and replicas meet in every order that chance finds: each job ends once, and nothing is left."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from house import OUTCOME, TOLD, House
from qstore.job import Batch
from qstore.state.breaker import Rules
from qstore.state.connection import Connection
from qstore.state.ending import Ending
from qstore.state.keys import Keys

_TURNS = 250  # jobs each producer submits
_MOST = 10_000  # where chance does not bring about every deed sooner
_DEEDS = {"unwanted", "nothing left", "put back", "split", "settled"}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_races_with_a_cancel_every_job_ends_once(connection: Connection, keys: Keys, seed: int) -> None:
    """Producers, cancelers and replicas do what they do, in any order, many times over."""
    house = House(connection, keys, timeout=0.0, rules=Rules(failure_threshold=10_000, lease=30.0))
    storm = Storm(house, seed)
    storm.blow()
    house.wind_up()
    assert {job_id: ends for job_id, ends in house.ended.items() if len(ends) != 1} == {}
    assert house.ended.keys() == set(storm.asked)
    assert storm.canceled == {job_id for job_id, ends in house.ended.items() if ends == ["revoked"]}
    assert len(storm.canceled) > 50
    assert {end for ends in house.ended.values() for end in ends} == {"revoked", "counts", "expired"}
    assert storm.deeds == _DEEDS


class Storm:
    """Threads that ask, cancel, and move batches as chance has it."""

    def __init__(self, house: House, seed: int) -> None:
        self._house = house
        self._seed = seed
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.canceled: set[str] = set()
        self.deeds: set[str] = set()

    def blow(self) -> None:
        parts = [*[self._replica] * 3, *[self._cancel] * 2]
        with ThreadPoolExecutor(8) as pool:
            others = [pool.submit(part, random.Random(f"{self._seed} {n}")) for n, part in enumerate(parts)]
            asking = [pool.submit(self._ask, random.Random(f"{self._seed} asks {n}"), n) for n in range(2)]
            try:
                for each in asking:
                    each.result()
            finally:
                self._over.set()
            for each in others:
                each.result()

    def _ask(self, chance: random.Random, number: int) -> None:
        for turn in range(_MOST):
            if turn >= _TURNS and self.deeds == _DEEDS:
                return
            job_id = f"job-{number}-{turn}"
            expires = chance.choice([None, None, None, 1.0, 4e9])
            kind, _ = self._house.submit(
                f"run-{chance.randrange(12)}-{turn // 25}", job_id, priority=chance.randrange(10), expires=expires
            )
            assert kind in {"queued", "joined"}
            with self._lock:
                self.asked.append(job_id)

    def _cancel(self, chance: random.Random) -> None:
        while not self._over.is_set():
            with self._lock:
                recent = self.asked[-30:]
                some = chance.sample(recent, min(len(recent), 6))
            ended = self._house.cancellations.cancel(some)
            with self._lock:
                self.canceled.update(job_id for job_id, by_us in zip(some, ended, strict=True) if by_us)

    def _replica(self, chance: random.Random) -> None:
        house = self._house
        while not self._over.is_set():
            tick = house.ledger.tick(3)
            house.cancellations.cancel(tick.expired, "expired")
            for batch in tick.batches:
                self._look(batch, chance)
            for group in tick.groups:
                taken = house.batches.take(group).batch
                if taken is not None:
                    self._send(taken, chance)

    def _look(self, batch: Batch, chance: random.Random) -> None:
        house = self._house
        if batch.state == "settled":
            with self._lock:
                house.finish(batch)
        elif batch.state == "submitted" and batch.unwanted and house.batches.deserted(batch):
            self._note("unwanted", done=house.batches.put_back(batch, 0, blame=False) == "returned")
        elif chance.random() < 0.5:
            house.ledger.postpone(batch, 0)
        else:
            self._settle(batch)

    def _send(self, taken: Batch, chance: random.Random) -> None:
        house = self._house
        match chance.randrange(6):
            case 0:
                self._note("put back", done=house.batches.put_back(taken, 0, blame=False) == "returned")
                return
            case 1 if len(taken.run_ids) > 1:
                self._note("split", done=house.batches.split(taken) is not None)
                return
        begun = house.batches.begin(taken)
        assert begun is not None
        batch, loaded = begun
        if not loaded:
            self._note("nothing left")
        elif chance.random() < 0.1:
            self._note("put back", done=house.batches.put_back(batch, 0, blame=True) == "returned")
        else:
            assert house.ledger.submitted(batch, f"remote {batch.batch_id}", 0, TOLD)

    def _settle(self, batch: Batch) -> None:
        settled = self._house.ledger.settle(batch, [Ending(OUTCOME, cacheable=False)] * len(batch.run_ids))
        if settled is not None:
            self._note("settled")
            with self._lock:
                self._house.finish(batch)

    def _note(self, deed: str, done: bool = True) -> None:
        if done:
            self.deeds.add(deed)
