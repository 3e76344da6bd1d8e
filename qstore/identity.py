"""What makes two jobs ask for the same: how closely circuits are compared, and what else is in the name of a run."""

from __future__ import annotations

import hashlib
import json

from qstore.circuits.canonical import Canonical
from qstore.job import Level, Options, is_ideal


def level_of(options: Options, default: Level) -> Level:
    """Which circuits count as the same for this call.

    Gates that cancel still err, so where there is noise nothing is taken to cancel unless the caller says so.
    """
    if options.fingerprint_level is not None:
        return options.fingerprint_level
    return default if is_ideal(options) or default != "semantic" else "commuting"


def run_id_of(canonical: Canonical, options: Options, job_id: str) -> str:
    """sha256 over everything that changes the outcome; two jobs with the same one share an execution.

    With `reuse="never"` it is the job's own, so that no other's execution answers it, and yet the same where the same
    job is delivered twice. A bank is the same for any number of shots.
    """
    key = [
        canonical.fingerprint,
        options.backend,
        options.noise_model,
        options.debiasing,
        options.optimization_level,
        "bank" if options.reuse == "bank" else options.shots,
        options.seed,
        job_id if options.reuse == "never" else None,
    ]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()
