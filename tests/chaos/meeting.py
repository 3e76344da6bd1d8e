"""Processes that meet one breaker at the same moment: each asks it for leave and, where it gets leave, asks IonQ.

Called with the breaker's name and the number of processes; prints as JSON how many asked IonQ and how many were
refused. Where Redis and IonQ are says the environment.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from qstore.errors import BreakerOpen, IonQUnavailableError
from qstore.state.breaker import Breaker, Rules
from qstore.state.connection import Connection
from qstore.state.keys import Keys

RULES = Rules(failure_threshold=3, failure_window=60.0, recovery_timeout=0.5, lease=30.0)


def ask(breaker: Breaker, url: str, api_key: str) -> str:
    """Ask IonQ for its jobs, if the breaker lets that out."""
    try:
        with breaker.guard():
            try:
                headers = {"Authorization": f"apiKey {api_key}"}
                httpx.get(f"{url}/jobs", headers=headers, timeout=10.0, trust_env=False).raise_for_status()
            except httpx.HTTPError as error:
                raise IonQUnavailableError(str(error)) from error
    except BreakerOpen:
        return "refused"
    except IonQUnavailableError:
        return "failed"
    return "answered"


def breaker_of(redis_url: str, name: str) -> Breaker:
    """The breaker as one process has it."""
    return Breaker(Connection(redis_url, 10.0), Keys("qstore:"), name, RULES)


def _come(name: str, together: Callable[[], int], said: Any) -> None:
    """What each process does."""
    breaker = breaker_of(os.environ["QSTORE_REDIS_URL"], name)
    breaker.state()  # connected before the others are waited for
    together()
    said.put(ask(breaker, os.environ["QSTORE_IONQ_URL"], os.environ["IONQ_API_KEY"]))


def main(name: str, count: int) -> None:
    """Let them meet."""
    fork = multiprocessing.get_context("fork")
    barrier, said = fork.Barrier(count), fork.Queue()
    processes = [fork.Process(target=_come, args=(name, barrier.wait, said)) for _ in range(count)]
    for process in processes:
        process.start()
    sys.stdout.write(json.dumps(Counter(said.get(timeout=30.0) for _ in processes)))
    for process in processes:
        process.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
