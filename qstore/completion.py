"""The other end of a bulk call: thousands of jobs as they end, a few hundred read in one trip.

    results = submit_circuits(circuits, shots=1000)
    for index, answer in as_completed(results, timeout=600):
        if isinstance(answer, Exception):
            print(f"circuit {index} failed: {answer}")
        else:
            print(f"circuit {index}: {answer['counts']}")

    answers = wait(results, timeout=600)  # or all in the order of the circuits, an exception where one failed

A failed job is an answer like any other: nothing is raised for it, and the rest go on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

from celery import exceptions, states
from celery.result import AsyncResult

from qstore.app import app, settings
from qstore.errors import StoreUnavailableError
from qstore.progress import Progress, shown
from qstore.result import Result
from qstore.state.connection import Connection, translated

_FEW, _MANY = 8, 256  # entries read at first and at most: of the oldest jobs, and as many of the others in turn
_LARGE = 4_000_000  # bytes of entries in one trip, above which the next one is for half as many
_SHORT, _LONG = 0.05, 0.25  # seconds between two trips while jobs end, and while none does
_PATIENCE = 20.0  # seconds Redis may be away, about as long as Celery's own `get()` would try


def as_completed(
    results: Iterable[AsyncResult], *, timeout: float | None = None, progress: Progress = None
) -> Iterator[tuple[int, Result | Exception]]:
    """Each job's place among the results and its answer, as the jobs end.

    Nothing is kept here, so whoever uses up each answer can go through any number of them.

    Args:
        results: What `submit_circuits` returned, or any results of `submit_circuit`.
        timeout: Seconds from the first step; None waits for as long as it takes.
        progress: A bar on stderr: None where that is a terminal, True always, False never. Or a callable, which is
            told `(done, total)` every now and then.

    Yields:
        `(index, answer)`: the `Result`, or the exception that `get()` would raise.

    Raises:
        celery.exceptions.TimeoutError: Jobs have not ended in time; what ended before was yielded.
        StoreUnavailableError: Redis is away for long. The jobs go on, and a second call finds their answers.
    """
    handles = list(results)
    counts: Counter[str] = Counter(executed=0, joined=0, cached=0, failed=0)
    with shown(progress, "ended", len(handles)) as show, closing(_connect()) as connection:
        for index, answer in _ended(handles, _Reader(connection), timeout, lambda: show(counts)):
            counts[_kind(answer)] += 1
            show(counts)
            yield index, answer


def wait(
    results: Iterable[AsyncResult], *, timeout: float | None = None, progress: Progress = None
) -> list[Result | Exception]:
    """All answers in the order of the results, when the last job has ended.

    Args:
        results: See `as_completed`.
        timeout: See `as_completed`.
        progress: See `as_completed`.

    Raises:
        celery.exceptions.TimeoutError: Jobs have not ended in time.
        StoreUnavailableError: Redis is away for long.
    """
    answers = dict(as_completed(results, timeout=timeout, progress=progress))
    return [answers[index] for index in range(len(answers))]


def _connect() -> Connection:
    """A connection of its own: the result backend's would wait for minutes where Redis is silent."""
    return Connection(settings.redis_url, settings.redis_timeout)


def _kind(answer: Result | Exception) -> str:
    if isinstance(answer, exceptions.TaskRevokedError):
        return "canceled"
    return "failed" if isinstance(answer, Exception) else answer["source"]


def _ended(
    handles: Sequence[AsyncResult], reader: _Reader, timeout: float | None, tick: Callable[[], object]
) -> Iterator[tuple[int, Result | Exception]]:
    """Index and answer of each result, as they end.

    Jobs end more or less in the order they were submitted. So each trip looks at the oldest that are left, and at some
    of the others in turn: whoever ends first is seen at once, and one that ends out of turn soon.
    """
    began = time.monotonic()
    left: dict[int, bytes] = {}
    for index, handle in enumerate(handles):
        if handle._cache is None:  # noqa: SLF001 - Celery's place for an answer that is known without a trip
            left[index] = app.backend.get_key_for_task(handle.id)
        else:
            yield index, handle.result
    start, pause = 0, _SHORT
    while left:
        size = reader.size
        start = start + size if start + size < len(left) else size
        look = dict([*islice(left.items(), size), *islice(left.items(), start, start + size)])
        for index, entry in zip(look, reader.read(list(look.values())), strict=True):
            meta = app.backend.decode_result(entry) if entry else {"status": states.PENDING}
            if meta["status"] in states.READY_STATES:
                del left[index]
                yield index, meta["result"]
        waiting = look.keys() & left.keys()
        if not waiting:
            continue
        tick()
        over = time.monotonic() - began
        if timeout is not None and over >= timeout:
            raise exceptions.TimeoutError(
                f"{len(left):,} of {len(handles):,} jobs have not ended within {timeout:g} s."
            )
        pause = _SHORT if len(waiting) < len(look) else min(2 * pause, _LONG)
        time.sleep(pause if timeout is None else min(pause, timeout - over))


class _Reader:
    """Reads entries, and bears with Redis while it is away for a moment.

    Args:
        connection: To the Redis of the result backend.

    Attributes:
        size: Half of how many to read in one trip, so that wide results do not come by the hundred.
    """

    def __init__(self, connection: Connection) -> None:
        self.size = _FEW
        self._connection = connection
        self._away_since: float | None = None  # monotonic seconds

    def read(self, keys: Sequence[bytes]) -> Sequence[bytes | str | None]:
        """What stands there, in one trip; nothing where Redis is away.

        Raises:
            StoreUnavailableError: It is away for long.
        """
        try:
            with translated():
                entries = self._connection.client.mget(keys)
        except StoreUnavailableError:
            now = time.monotonic()
            self._away_since = self._away_since or now
            if now - self._away_since >= _PATIENCE:
                raise
            return [None] * len(keys)
        self._away_since = None
        large = sum(len(entry) for entry in entries if entry) > _LARGE
        self.size = max(self.size // 2, 1) if large else min(2 * self.size, _MANY)
        return entries
