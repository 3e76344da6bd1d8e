"""The producer's composition root: what a process that submits, cancels or asks for jobs holds, opened on first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qstore.app import app, settings
from qstore.circuits.compiler import Compiler
from qstore.entries import Entries
from qstore.state.budget import Budget
from qstore.state.cancellations import Cancellations
from qstore.state.claims import Claims
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.submission import Submission


@dataclass(frozen=True, slots=True)
class Door:
    """What a producer works with.

    Attributes:
        submission: The pipeline.
        claims: Result cache and running circuits.
        entries: Celery's result backend.
        cancellations: Ends jobs that still wait.
    """

    submission: Submission
    claims: Claims
    entries: Entries
    cancellations: Cancellations


@cache
def door() -> Door:
    """The one of this process. Nothing connects before it is used."""
    connection = Connection(settings.redis_url, settings.redis_timeout)
    keys = Keys(settings.key_prefix)
    budget = Budget(connection, keys, settings.max_queued_jobs)
    claims = Claims(connection, keys, budget, settings.batch_size, settings.batch_timeout)
    entries = Entries(app, connection, keys)
    submission = Submission(claims, Compiler(), entries, settings.batch_size, settings.queue_timeout)
    return Door(submission, claims, entries, Cancellations(connection, keys, entries.revoked))
