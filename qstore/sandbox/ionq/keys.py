"""Who may ask: the `Authorization: apiKey <key>` header."""

from __future__ import annotations

import uuid
from typing import Any

from qstore.sandbox.ionq.documents import PROJECT_ID
from qstore.sandbox.ionq.refusal import Refusal

_SCHEME = "apiKey "


class Keys:
    """The keys that are good.

    Args:
        valid: These; empty for any key that is not blank.
    """

    def __init__(self, valid: frozenset[str] = frozenset()) -> None:
        self._valid = valid

    def check(self, header: str | None) -> str:
        """The key in an Authorization header.

        Raises:
            Refusal: With 401 where there is no well-formed key, with 403 where it is not a good one.
        """
        key = (header or "").removeprefix(_SCHEME)
        if not header or not header.startswith(_SCHEME) or not key.strip():
            raise Refusal(401, "send your key as 'Authorization: apiKey <key>'")
        if self._valid and key not in self._valid:
            raise Refusal(403, "the key is not valid")
        return key


def whoami(key: str) -> dict[str, Any]:
    """The answer to GET /whoami; the id stands for the key without telling it."""
    return {
        "key_id": str(uuid.uuid5(uuid.NAMESPACE_URL, key)),
        "key_name": "sandbox",
        "project_id": PROJECT_ID,
    }
