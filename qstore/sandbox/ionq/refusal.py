"""What the stand-in answers instead of doing what it was asked: a status and a reason."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that is answered with an error.

    Args:
        status: The HTTP status, 400 to 599.
        message: What is wrong, in words for the caller.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def response(self) -> JSONResponse:
        """The error body as IonQ words it: `error`, `message` and `statusCode`."""
        body = {
            "error": _PHRASES.get(self.status, "Error"),
            "message": self.message,
            "statusCode": self.status,
        }
        return JSONResponse(body, self.status)
