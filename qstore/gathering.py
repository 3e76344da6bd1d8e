"""Calls of a canvas that is being published, gathered to go through the pipeline at once instead of as messages.

Invariant: what one thread gathers is its own, and what is gathered is only ever handed over after the canvas stands.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from qstore.preparation import Caller

_OF_SENDING = frozenset(("producer", "connection", "publisher", "router", "add_to_parent"))
"""Options that hold good only while the canvas is published."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a canvas.

    Attributes:
        caller: Who asks.
        args: As a message can carry them.
        kwargs: The same.
        options: Of the message that it would have been.
    """

    caller: Caller
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]


class Gathering(threading.local):
    """What is gathered on this thread; true while something is."""

    def __init__(self) -> None:
        self._calls: list[Call] | None = None

    def __bool__(self) -> bool:
        return self._calls is not None

    @contextmanager
    def open(self) -> Iterator[list[Call]]:
        """Gather in the block, into the list."""
        calls: list[Call] = []
        before, self._calls = self._calls, calls
        try:
            yield calls
        finally:
            self._calls = before

    def add(self, caller: Caller, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]) -> None:
        """Gather a call; only where something is gathered."""
        assert self._calls is not None, "nothing is gathered"  # noqa: S101 - see above
        told = {name: value for name, value in options.items() if name not in _OF_SENDING}
        self._calls.append(Call(caller, args, kwargs, told))
