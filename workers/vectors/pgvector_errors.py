"""What PostgreSQL, libpq and psycopg raise, as errors of this house."""

from __future__ import annotations

from typing import Final

import psycopg

from qstore.errors import QstoreError, VectorStoreRefusedError, VectorStoreUnavailableError

_TRANSACTION_STATE: Final = "25"  # it is read-only, a standby for now, or was ended by a deadline of the operator's
_TOO_LARGE: Final = "54"  # for any PostgreSQL, at any time; psycopg has it among what passes


class LateError(psycopg.OperationalError):
    """PostgreSQL did not answer in time; the connection is closed."""


def heard(error: psycopg.Error, where: str) -> QstoreError:
    """The error of this house that says what an error of psycopg's says.

    Args:
        error: What psycopg raised.
        where: Whose it is, for the message.
    """
    state = (error.sqlstate or "")[:2]
    passes = isinstance(error, psycopg.OperationalError) and state != _TOO_LARGE
    kind = VectorStoreUnavailableError if passes or state == _TRANSACTION_STATE else VectorStoreRefusedError
    return kind(f"{where}: {reason(error)}")


def reason(error: psycopg.Error) -> str:
    """The first line of what it says."""
    said = error.diag.message_primary or str(error) or type(error).__name__
    return said.strip().splitlines()[0]
