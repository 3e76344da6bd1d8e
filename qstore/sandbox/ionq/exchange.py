"""Faults of the exchange: a request is refused, answered wrongly, late, or not at all.

Each kind says whether the work was done before: a client that cannot tell has to find out.
"""

# ruff: noqa: ARG002, D102 - what each kind answers is what its class says

from __future__ import annotations

import asyncio
import json
import math
import random
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, StringConstraints
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from qstore.sandbox.ionq.fault import ExchangeFault, Seconds, Work
from qstore.sandbox.ionq.rate import RateLimit
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.web.drop import Drop, gone

_ServerError = Annotated[int, Field(ge=500, le=599)]
_HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]+$")]

_PAGE = """<!DOCTYPE html>
<html><head><title>{status}</title></head><body><h1>{status}</h1><p>The server is not well.</p></body></html>
"""


def throttled(retry_after: float | str | None) -> Response:
    """Too many requests; come back after so many seconds, or at a date, where that is said."""
    response = Refusal(429, "too many requests").response()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after if isinstance(retry_after, str) else f"{retry_after:g}"
    return response


def over_limit(limit: RateLimit, request: Request) -> Response | None:
    """The refusal of a key that asks too often, None while it does not."""
    seconds = limit.wait(request.headers.get("authorization", ""))
    return throttled(math.ceil(seconds)) if seconds else None


class Throttle(ExchangeFault):
    """429, nothing done.

    Attributes:
        retry_after: Seconds, or the header word for word; without it there is no header.
    """

    kind: Literal["throttle"]
    retry_after: Seconds | _HeaderValue | None = None

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return throttled(self.retry_after)


class Error(ExchangeFault):
    """A server error in IonQ's words, nothing done."""

    kind: Literal["error"]
    status: _ServerError = 500

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return Refusal(self.status, "something went wrong").response()


class Html(ExchangeFault):
    """A gateway's error page, nothing done."""

    kind: Literal["html"]
    status: _ServerError = 502

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return HTMLResponse(_PAGE.format(status=self.status), self.status)


class Unauthorized(ExchangeFault):
    """A key that is good no longer, nothing done."""

    kind: Literal["unauthorized"]
    status: Literal[401, 403] = 401

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return Refusal(self.status, "the key has expired").response()


class AcceptThen(ExchangeFault):
    """The work is done, and a server error answered."""

    kind: Literal["accept_then"]
    status: _ServerError = 504

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        await work()
        return Refusal(self.status, "upstream did not answer in time").response()


class DropBefore(ExchangeFault):
    """The connection closes, nothing done."""

    kind: Literal["drop"]

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return Drop()


class DropAfter(ExchangeFault):
    """The work is done, and the connection closes."""

    kind: Literal["drop_after"]

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        await work()
        return Drop()


class Stall(ExchangeFault):
    """A pause before the work, none of which is done if the client gives up.

    Attributes:
        stall: Seconds.
    """

    kind: Literal["stall"]
    stall: Seconds

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        await request.body()  # kept for the work; behind it there is only word of the client's leaving
        return await work() if await _outwaited(request, self.stall) else Drop()


class StallAfter(ExchangeFault):
    """A pause between the work and its answer.

    Attributes:
        stall: Seconds.
    """

    kind: Literal["stall_after"]
    stall: Seconds

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        response = await work()
        return response if await _outwaited(request, self.stall) else Drop()


class Outage(ExchangeFault):
    """Nobody is there, for a while.

    Attributes:
        mode: `drop` closes connections, `error` answers 503, `mixed` does now this, now that.
    """

    kind: Literal["outage"]
    seconds: Annotated[float, Field(gt=0)]
    mode: Literal["drop", "error", "mixed"] = "drop"

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        mode = chance.choice(("drop", "error")) if self.mode == "mixed" else self.mode
        return Drop() if mode == "drop" else Refusal(503, "the service is down").response()


class RateLimited(ExchangeFault):
    """429 with Retry-After for each key that asks too often; this lasts.

    Attributes:
        rate: Requests a second.
        burst: Requests at once after a pause; as many as a second brings by default.
    """

    lasting = True

    kind: Literal["rate_limit"]
    rate: Annotated[float, Field(gt=0)]
    burst: Annotated[float, Field(ge=1)] | None = None
    _limit: RateLimit = PrivateAttr()

    def model_post_init(self, _context: object) -> None:
        """Start with full buckets."""
        self._limit = RateLimit(self.rate, self.burst or self.rate)

    def spares(self, request: Request) -> bool:
        """Whether the key keeps within the limit."""
        return not over_limit(self._limit, request)

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        return throttled(math.ceil(1 / self.rate))


class LateCancel(ExchangeFault):
    """A cancel is answered as if it came in time, and the job goes on."""

    confined_to = frozenset({"PUT /jobs/{id}/status/cancel", "PUT /jobs/status/cancel"})

    kind: Literal["late_cancel"]

    async def answer(self, request: Request, work: Work, chance: random.Random) -> Response:
        if "id" in request.path_params:
            named = {"id": request.path_params["id"]}
        else:
            try:
                named = {"ids": json.loads(await request.body())["ids"]}
            except (ValueError, TypeError, KeyError):
                return await work()  # which refuses it
        return JSONResponse({**named, "status": "canceled"})


EXCHANGE_FAULTS = (
    Throttle,
    Error,
    Html,
    Unauthorized,
    AcceptThen,
    DropBefore,
    DropAfter,
    Stall,
    StallAfter,
    Outage,
    RateLimited,
    LateCancel,
)
"""Every kind."""


async def _outwaited(request: Request, seconds: float) -> bool:
    """Wait, but no longer than the client does; whether it is still there."""
    try:
        await asyncio.wait_for(gone(request), seconds)
    except TimeoutError:
        return True
    return False
