"""What is refused, and how either plane of the API words it."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    413: "OUT_OF_RANGE",
    414: "OUT_OF_RANGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "RESOURCE_EXHAUSTED",
    500: "UNKNOWN",
    503: "UNAVAILABLE",
}
_NUMBERS = {400: 3, 403: 7, 404: 5, 409: 6, 413: 11, 414: 11, 429: 8, 500: 2, 503: 14}  # as gRPC counts


class Refusal(Exception):  # noqa: N818 - the word for it throughout
    """Ends a request with an error.

    Args:
        status: The HTTP status.
        message: What the service says.
        retry_after: Seconds the service asks to wait; None where it does not.
    """

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(status, message, retry_after)
        self.status = status
        self.message = message
        self._headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}

    def from_control_plane(self) -> Response:
        """As the endpoints for indexes say it."""
        error = {"code": _NAMES.get(self.status, "UNKNOWN"), "message": self.message}
        return JSONResponse({"error": error, "status": self.status}, self.status, self._headers)

    def from_data_plane(self) -> Response:
        """As the endpoints for vectors say it; a missing key they only answer with a word."""
        if self.status == 401:  # noqa: PLR2004 - the status
            return JSONResponse("Unauthorized", self.status, self._headers)
        said = {"code": _NUMBERS.get(self.status, 2), "message": self.message, "details": []}
        return JSONResponse(said, self.status, self._headers)
