"""What is to go wrong, on command: answers that are errors, late or lost.

Invariant: a fault strikes no more often than it counts, and its effect on what is stored is as it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from qstore.sandbox.pinecone.refusal import Refusal
from qstore.sandbox.web.drop import Drop, gone

EVERYWHERE = "*"
"""The endpoint that stands for every endpoint."""

Work = Callable[[], Awaitable[Response]]


class Fault(BaseModel):
    """What goes wrong, where, and how often.

    Attributes:
        kind: `error` answers with a status, `stall` only after a while, `drop` not at all and closes the connection.
        endpoint: Where: `POST /vectors/upsert`, `GET /indexes/{name}`; `*` for everywhere.
        count: How often.
        after: How many requests to the endpoint are spared first.
        applied: Whether what was asked is done all the same, so that only the answer is lost.
        status: Of an `error`.
        message: Of an `error`.
        retry_after: Seconds an `error` asks to wait; None where it does not.
        seconds: How long a `stall` takes, unless it is ended; what was asked is then answered properly.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["error", "stall", "drop"]
    endpoint: str = EVERYWHERE
    count: int = Field(1, ge=1)
    after: int = Field(0, ge=0)
    applied: bool = False
    status: int = Field(503, ge=400, le=599)
    message: str = "told to fail"
    retry_after: float | None = Field(None, ge=0)
    seconds: float = Field(3600, gt=0, le=3600)


class Faults:
    """All that is to go wrong."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._healed = asyncio.Event()

    def add(self, found: Any) -> None:
        """Let something go wrong from now on.

        Raises:
            ValueError: It is no fault.
        """
        self._faults.append(Fault.model_validate(found))

    def clear(self) -> None:
        """Let nothing go wrong any more; what stalls is answered."""
        self._faults.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    def documents(self) -> list[dict[str, Any]]:
        """Those that are left, as JSON."""
        return [each.model_dump() for each in self._faults]

    async def answer(self, endpoint: str, request: Request, work: Work) -> Response:
        """Answer a request properly, or as the first fault that strikes it has it.

        Raises:
            Refusal: An `error` struck.
        """
        fault = self._striking(endpoint)
        if fault is None:
            return await work()
        ended = self._healed  # before anybody else has a turn: the next clearing is meant for this one, too
        await request.body()  # a client that still sends would not see what comes back
        if fault.applied:
            await work()
        if fault.kind == "error":
            raise Refusal(fault.status, fault.message, fault.retry_after)
        if fault.kind == "drop":
            return Drop()
        left, healed = asyncio.create_task(gone(request)), asyncio.create_task(ended.wait())
        await asyncio.wait({left, healed}, timeout=fault.seconds, return_when=asyncio.FIRST_COMPLETED)
        healed.cancel()
        if left.done():
            return Drop()
        left.cancel()
        return await work()

    def _striking(self, endpoint: str) -> Fault | None:
        for fault in self._faults:
            if fault.endpoint not in {EVERYWHERE, endpoint}:
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.count -= 1
            if not fault.count:
                self._faults.remove(fault)
            return fault
        return None
