"""One producer process of the demo: submits its share of the jobs at a steady pace, prints one JSON line for each end.

Its share is a JSON file: `{"jobs": [{"name", "text", "circuit"}, …], "shots": …, "pace": …}`, pace in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from celery.result import AsyncResult

from qstore import submit_circuit
from qstore.circuits.codec import decode

_TIMEOUT = 60.0  # seconds a job may take


def report(job: dict[str, Any], result: AsyncResult, began: float) -> None:
    """Wait for one job and print how it ended."""
    try:
        end: dict[str, Any] = {"result": result.get(timeout=_TIMEOUT)}
    except Exception as error:  # noqa: BLE001 - whatever it was, the demo shows it
        end = {"error": f"{type(error).__name__}: {error}"}
    line = {"circuit": job["circuit"], "seconds": time.perf_counter() - began, **end}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(share: Path) -> None:
    """Submit a share."""
    plan = json.loads(share.read_text("utf-8"))
    circuits = {job["circuit"]: decode(job["text"]) for job in plan["jobs"]}
    with ThreadPoolExecutor(32) as waiting:
        for job in plan["jobs"]:
            began = time.perf_counter()
            result = submit_circuit.delay(circuits[job["circuit"]], shots=plan["shots"], name=job["name"])
            waiting.submit(report, job, result, began)
            time.sleep(plan["pace"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
