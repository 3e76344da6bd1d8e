"""The producer process as a scenario sees it: orders go in, ends come out."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from qstore.sandbox.process import leash

_SCRIPT = Path(__file__).with_name("producer.py")


@dataclass(frozen=True)
class Order:
    """Jobs submitted one after the other; see `producer.py`.

    Attributes:
        first: Number of the first circuit.
        distinct: Circuits.
        repeats: How many of them are asked for twice.
        shots: Of each.
        pace: Seconds between two jobs.
        within: Seconds in which all have to end.
        revoked: Jobs that are revoked again.
        regret: Seconds within which.
    """

    first: int
    distinct: int
    repeats: int = 0
    shots: int = 100
    pace: float = 0.0
    within: float = 60.0
    revoked: int = 0
    regret: float = 0.0

    @property
    def jobs(self) -> int:
        """Jobs in all."""
        return self.distinct + self.repeats


@dataclass(frozen=True)
class End:
    """How one job ended.

    Attributes:
        job_id: Its id.
        number: Its circuit's.
        end: `ok`, `revoked`, `wrong`, `failed` or `lost`.
        at: Epoch seconds.
        said: Its counts or its error, as JSON.
    """

    job_id: str
    number: int
    end: str
    at: float
    said: str


class Producer:
    """One producer process; in a `with` statement.

    Args:
        folder: Where its log goes.
        environment: Where the sandbox is, and how it is set.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.log = folder / "producer.log"
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [*leash(signal.SIGKILL), sys.executable, "-W", "ignore", str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment,
                text=True,
            )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._reading.join()
        with self._popen:
            pass

    def order(self, order: Order) -> None:
        """Have it submit jobs, once those it was told to before have ended."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(vars(order)) + "\n")
        self._popen.stdin.flush()

    @property
    def answers(self) -> int:
        """Orders whose jobs have ended and whose ends nobody took yet."""
        return self._answers.qsize()

    def ends(self) -> list[End]:
        """How the jobs of the next order ended, all of them or not."""
        answer = self._answers.get_nowait()
        assert answer, f"the producer died:\n{self.log.read_text()}"
        return [End(**end) for end in json.loads(answer)]

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._answers.put(line)
        self._answers.put("")
