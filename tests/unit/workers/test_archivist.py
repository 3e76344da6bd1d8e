"""The archivist holds on to what a store that is away does not take, and asks it ever more rarely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from qstore.errors import BreakerOpen, VectorStoreThrottledError, VectorStoreUnavailableError
from qstore.job import Group, Run
from qstore.outcome import Outcome
from qstore.state.outbox import Outbox, Sent
from workers.archive import Archive
from workers.archivist import Archivist
from workers.execution import Execution

AWAY = VectorStoreUnavailableError("The store is away.")


def sent(entry_id: str) -> Sent:
    fields = Run("r", "f", Group("simulator", 10), "qis", b"[]", 1, 1, "coin", None).to_fields()
    outcome = Outcome({0: 10}, {0: 1.0}, 10, "simulator", "f", "remote", 1, 0.0, 1.0, None)
    return Sent(entry_id, bytes(cast("str", fields["head"]), "ascii"), b"[]", outcome.to_json().encode())


class Shelf:
    """Outbox and archive at once; it raises what the test says, before it takes anything."""

    def __init__(self, *troubles: Exception | None) -> None:
        self.waiting = [sent("1"), sent("2")]
        self.troubles = list(troubles)
        self.written = 0

    def take(self, count: int, _wait: float) -> list[Sent]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def done(self, _entries: Sequence[Sent]) -> None: ...

    def write(self, executions: Sequence[Execution]) -> None:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble
        self.written += len(executions)


def archivist(shelf: Any) -> Archivist:
    return Archivist(cast("Outbox", shelf), cast("Archive", shelf))


def test_pauses_double_up_to_half_a_minute_and_begin_anew_after_a_success() -> None:
    shelf = Shelf(*[AWAY] * 7)
    turning = archivist(shelf)
    assert [turning.turn() for _ in range(9)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.0, 0.0]
    assert shelf.written == 2
    shelf.waiting, shelf.troubles = [sent("3")], [AWAY]
    assert [turning.turn() for _ in range(2)] == [1.0, 0.0]
    assert shelf.written == 3


def test_a_store_that_says_how_long_is_given_so_long_and_no_longer_than_half_a_minute() -> None:
    shelf = Shelf(VectorStoreThrottledError("Later.", 7.0), BreakerOpen("Open.", 60.0), None)
    turning = archivist(shelf)
    assert [turning.turn() for _ in range(3)] == [7.0, 30.0, 0.0]


def test_what_not_even_the_refused_take_is_let_go_to_be_read_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(ValueError("Nothing takes this."), *[ValueError("Nor this.")] * 2)

    def refuse(_sent: Sent, why: str) -> None:
        raise RuntimeError(why)

    monkeypatch.setattr(shelf, "refuse", refuse, raising=False)
    turning = archivist(shelf)
    with pytest.raises(RuntimeError, match="Nor this"):
        turning.turn()
    shelf.waiting, shelf.troubles = [sent("3")], []
    assert turning.turn() == 0.0
    assert shelf.written == 1


def test_entries_read_twice_have_the_same_id_and_others_another() -> None:
    first, second = Execution.of(sent("1")), Execution.of(sent("2"))
    assert first.execution_id == second.execution_id
    other = Sent("3", sent("3").head, b"[ ]", sent("3").outcome)
    assert Execution.of(other).execution_id != first.execution_id
