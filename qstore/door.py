"""The producer's composition root: what a process that submits, cancels or asks for jobs holds, opened on first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qstore.app import app, settings
from qstore.circuits.compiler import Compiler
from qstore.circuits.recognition import Recognition
from qstore.entries import Entries
from qstore.preparation import Preparation
from qstore.runs import Runs
from qstore.state.budget import Budget
from qstore.state.cancellations import Cancellations
from qstore.state.claims import Claims
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.tally import Tally
from qstore.submission import Submission


@dataclass(frozen=True, slots=True)
class Door:
    """What a producer works with.

    Attributes:
        preparation: Checks jobs.
        submission: The pipeline.
        claims: Result cache and running circuits.
        entries: Celery's result backend.
        cancellations: Ends jobs that still wait.
        tally: What the caches hold, and what they were good for.
    """

    preparation: Preparation
    submission: Submission
    claims: Claims
    entries: Entries
    cancellations: Cancellations
    tally: Tally


@cache
def door() -> Door:
    """The one of this process. Nothing connects before it is used."""
    connection = Connection(settings.redis_url, settings.redis_timeout, settings.redis_pool_max_size)
    keys = Keys(settings.key_prefix)
    budget = Budget(connection, keys, settings.max_queued_jobs)
    claims = Claims(
        connection,
        keys,
        budget,
        settings.batch_size,
        settings.batch_timeout,
        settings.circuit_ttl,
        settings.circuit_cache_bytes,
    )
    entries = Entries(app, connection, keys)
    compiler = Compiler(settings.circuit_cache_size)
    recognition = Recognition(settings.circuit_cache_size)
    preparation = Preparation(recognition, compiler, entries, settings.fingerprint_level, settings.result_ttl)
    submission = Submission(claims, Runs(compiler, settings.batch_size), entries, settings.queue_timeout)
    cancellations = Cancellations(connection, keys, entries.revoked)
    return Door(preparation, submission, claims, entries, cancellations, Tally(connection, keys))
