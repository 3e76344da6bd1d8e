"""Reading requests: their bodies and their query, checked.

Everything here refuses what it cannot read with status 400 or 413 and names what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import UTC, date, datetime

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request

from qstore.sandbox.ionq.backends import BACKENDS, Backend
from qstore.sandbox.ionq.job import State
from qstore.sandbox.ionq.ledger import Filter
from qstore.sandbox.ionq.refusal import Refusal

LARGEST_BODY = 8_000_000
"""Bytes."""

_LARGEST_NUMBER = 2**31 - 1
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Ids(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    ids: list[str]


_IDS = TypeAdapter(_Ids)


async def body_of(request: Request) -> bytes:
    """The body, no further than it may go.

    Raises:
        Refusal: With 413 if it is longer than `LARGEST_BODY`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refusal(413, f"a request has at most {LARGEST_BODY} bytes")
    return bytes(body)


async def ids_of(request: Request) -> list[str]:
    """The ids in the body of a bulk request.

    Raises:
        Refusal: With 400 if that is not what the body is.
    """
    try:
        return _IDS.validate_json(await body_of(request)).ids
    except ValidationError:
        raise Refusal(400, 'the body is {"ids": [...]}') from None


def backend_of(request: Request) -> Backend:
    """The backend the path names.

    Raises:
        Refusal: With 404 if there is none of that name.
    """
    backend = BACKENDS.get(request.path_params["backend"])
    if backend is None:
        raise Refusal(404, "there is no such backend")
    return backend


def filter_of(request: Request) -> Filter:
    """Which jobs a list is to show; a session in the path goes before one in the query.

    Raises:
        Refusal: With 400 if the status is no state.
    """
    query = request.query_params
    ids = query.getlist("ids") + query.getlist("ids[]")
    targets = query.get("target")
    state = choice(query.get("status"), "status", frozenset(State)) if "status" in query else None
    return Filter(
        ids=frozenset(ids) if ids else None,
        parent_id=query.get("parent_job_id"),
        state=State(state) if state else None,
        backends=frozenset(targets.split(",")) if targets else None,
        session_id=request.path_params.get("session_id", query.get("session_id")),
    )


def cursor_of(request: Request) -> int | None:
    """Where the page before ended.

    Raises:
        Refusal: With 400 if no page ever ended there.
    """
    text = request.query_params.get("next")
    try:
        return int(text, 16) if text else None
    except ValueError:
        raise Refusal(400, "next: not a cursor of ours") from None


def whole(text: str | None, name: str, default: int, least: int = 0, most: int = _LARGEST_NUMBER) -> int:
    """A whole number of the query.

    Raises:
        Refusal: With 400 if it is none, or out of bounds.
    """
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise Refusal(400, f"{name}: a whole number from {least} to {most}")


def flag(text: str | None, name: str) -> bool | None:
    """A truth value of the query.

    Raises:
        Refusal: With 400 if it is neither true nor false.
    """
    if text is None:
        return None
    return choice(text.lower(), name, ("true", "false")) == "true"


def choice(text: str | None, name: str, choices: Container[str]) -> str:
    """A word of the query, one of a few.

    Raises:
        Refusal: With 400 if it is none of them.
    """
    if text is None or text not in choices:
        raise Refusal(400, f"{name}: {text!r} is not among what there is")
    return text


def day(text: str | None, name: str) -> date:
    """A date of the query, as 2026-01-31.

    Raises:
        Refusal: With 400 if it is none.
    """
    try:
        if text is not None and _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refusal(400, f"{name}: a date, as 2026-01-31")


def instant(text: str | None, name: str, default: float) -> float:
    """A date or a time of the query as epoch seconds; UTC where it does not say.

    Raises:
        Refusal: With 400 if it is neither.
    """
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, f"{name}: a date or a time, as 2026-01-31") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
