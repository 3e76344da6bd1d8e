"""What a circuit bought on given terms is, as a digest: where two agree, the same was bought twice.

Names and metadata are no part of it, nor what else is in the job; the order of a gate's fields is none either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

DIGEST = 32
"""Bytes of one digest."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def digests(terms: Any, contents: Iterable[Any]) -> bytes:
    """The digest of each circuit of a job, one after the other.

    Args:
        terms: What is the same for all circuits of the job, as JSON.
        contents: What each circuit is, as JSON.
    """
    common = sha256(_encode(terms).encode())
    found = bytearray()
    for content in contents:
        each = common.copy()
        each.update(_encode(content).encode())
        found += each.digest()
    return bytes(found)


def split(joined: bytes) -> list[bytes]:
    """The digests by themselves."""
    return [joined[start : start + DIGEST] for start in range(0, len(joined), DIGEST)]
