"""How a job's end is written where Celery does not write it: in the ledger, and for a job that is delivered again.

An answer is a JSON object: plain data, or an error of `qstore.errors` by its name and arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qstore import errors


def to_answer(value: Mapping[str, Any] | errors.QstoreError) -> str:
    """Write an end down.

    Args:
        value: Plain data without a key `error`, or an error.
    """
    if isinstance(value, errors.QstoreError):
        return json.dumps({"error": type(value).__name__, "args": list(value.args)})
    return json.dumps(value, separators=(",", ":"))


def from_answer(text: str | bytes) -> dict[str, Any]:
    """Read an end: return its data, or raise its error.

    Raises:
        QstoreError: The answer is one.
    """
    answer: dict[str, Any] = json.loads(text)
    if "error" in answer:
        raise getattr(errors, answer["error"])(*answer["args"])
    return answer
