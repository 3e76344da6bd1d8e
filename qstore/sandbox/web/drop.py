"""An answer that is none: the connection is closed where a response would begin."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ABORT = "abort"
"""Under which a request's state holds what closes its connection at once; the server puts it there."""

UNANSWERED = 0
"""What stands for the status of a request that gets no answer."""


class Drop(Response):
    """Closes the connection without so much as a status line, kept alive or not.

    A server that cannot close connections sees a `ConnectionAbortedError` instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status_code = UNANSWERED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - nothing is sent
        """Close the connection, and return once it is closed."""
        abort = scope.get("state", {}).get(ABORT)
        if abort is None:
            raise ConnectionAbortedError("the stand-in was told to drop this request")
        abort()
        await gone(Request(scope, receive))


async def gone(request: Request) -> None:
    """Return once the client is gone; its body has to be read, or not to be wanted any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
