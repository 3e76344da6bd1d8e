"""Which of PostgreSQL's errors pass, and which stay."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from qstore.errors import VectorStoreRefusedError, VectorStoreUnavailableError
from workers.vectors.pgvector_errors import LateError, heard, reason


@pytest.mark.parametrize(
    "kind",
    [
        psycopg.OperationalError,
        LateError,
        errors.QueryCanceled,
        errors.AdminShutdown,
        errors.CannotConnectNow,
        errors.TooManyConnections,
        errors.DiskFull,
        errors.SerializationFailure,
        errors.DeadlockDetected,
        errors.LockNotAvailable,
        errors.ReadOnlySqlTransaction,
        errors.IdleInTransactionSessionTimeout,
    ],
)
def test_what_passes_is_unavailable(kind: type[psycopg.Error]) -> None:
    assert type(heard(kind("why"), "db")) is VectorStoreUnavailableError


@pytest.mark.parametrize(
    "kind",
    [
        errors.UndefinedTable,
        errors.InsufficientPrivilege,
        errors.DataException,
        errors.NotNullViolation,
        errors.ProgramLimitExceeded,
        errors.FeatureNotSupported,
        psycopg.ProgrammingError,
    ],
)
def test_what_stays_is_refused(kind: type[psycopg.Error]) -> None:
    assert type(heard(kind("why"), "db")) is VectorStoreRefusedError


def test_the_message_says_where_and_the_first_line_of_why() -> None:
    assert str(heard(psycopg.OperationalError("it is down\nIs it up?"), "db")) == "db: it is down"
    assert reason(psycopg.OperationalError()) == "OperationalError"
