"""The body of a request, read as far as it may be long, and taken apart with the service's complaints."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from qstore.sandbox.pinecone.refusal import Refusal

LONGEST_BODY = 2 * 1024 * 1024
"""Bytes of one request, at most."""

_LONGEST_ID = 512


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object that is the body; nothing at all counts as an empty one.

    Raises:
        Refusal: It is too long, or none.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise Refusal(
                413, f"Request size exceeds the maximum supported size of {LONGEST_BODY} bytes: {len(body)} and more"
            )
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        raise Refusal(400, "the request body is not valid JSON") from None
    if not isinstance(read, dict):
        raise Refusal(400, "the request body is not a JSON object")
    return read


def read_text(body: dict[str, Any], name: str, default: str = "") -> str:
    """A text of the body.

    Raises:
        Refusal: It is none.
    """
    found = body.get(name, default)
    if not isinstance(found, str):
        raise Refusal(400, f"{name}: invalid value {found!r:.60} for type TYPE_STRING")
    return found


def read_flag(body: dict[str, Any], name: str) -> bool:
    """A flag of the body; False where it is not there.

    Raises:
        Refusal: It is none.
    """
    found = body.get(name, False)
    if not isinstance(found, bool):
        raise Refusal(400, f"{name}: invalid value {found!r:.60} for type TYPE_BOOL")
    return found


def read_ids(found: Any, most: int) -> list[str]:
    """A list of ids.

    Args:
        found: What was sent.
        most: Ids at most.

    Raises:
        Refusal: It is none, or too long.
    """
    if not isinstance(found, list) or not found:
        raise Refusal(400, "ids must be a list of at least one id")
    if len(found) > most:
        raise Refusal(400, f"Number of ids {len(found)} exceeds the maximum of {most}")
    return [read_id(each) for each in found]


def read_id(found: Any) -> str:
    """An id.

    Raises:
        Refusal: It is none.
    """
    if not isinstance(found, str) or not found:
        raise Refusal(400, "Vector ID must be a string of at least one character")
    if len(found) > _LONGEST_ID:
        raise Refusal(400, f"Vector ID is too long: {len(found)} characters, the limit is {_LONGEST_ID}")
    if not found.isascii() or "\0" in found:
        raise Refusal(400, f"Vector ID must be ASCII, but is '{found[:60]}'")
    return found
