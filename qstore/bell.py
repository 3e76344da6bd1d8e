"""The doorbell: it asks the workers to dispatch groups, and carries no work.

Invariant: a bell that is lost, or rung twice, loses and doubles nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qstore.app import app
from qstore.submission import Submitted

logger = logging.getLogger(__name__)


def ring_for(submitted: Iterable[Submitted]) -> None:
    """Ask the workers to dispatch every group in which a batch is full.

    The bell carries no work. Where it cannot be sent the runs are safe all the same: they wait in Redis, and the
    replicas' loops send what waited long enough, full or not.
    """
    for group in {answer.full for answer in submitted if answer.full is not None}:
        try:
            app.send_task("qstore.dispatch", [group.to_json()], ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            logger.warning("No bell for %s, a replica will find it: %s", group, error)
