"""How jobs end, as a listener hears of it: Celery's own `get()`, for those who must not block.

Entries are decoded by the result backend, and what they say is kept in Celery's handles, as Celery itself does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from celery import states
from celery.result import AsyncResult, ResultSet

from qstore.errors import StoreUnavailableError
from qstore.listener import Listener

Telling = tuple[AsyncResult, AsyncResult]
"""A job, and whose entry may tell how it ends: its own, or that of one before it in its chain."""


async def wait_for(result: AsyncResult | ResultSet, listener: Listener, *, return_exceptions: bool) -> Any:
    """Wait until a job, or every job of a group, has ended. Needs no Redis where the handles know it all.

    Args:
        result: A job's handle, or a group's.
        listener: Of the running event loop.
        return_exceptions: Whether to return errors in the place of results; else the first one heard of is raised.

    Returns:
        The job's result; a list of them in the group's order.

    Raises:
        StoreUnavailableError: Redis is away for long; the job goes on.
        Exception: How a job ended, as `AsyncResult.get()` raises it.
    """
    tellings = list(_tellings(result))
    ends = _known(tellings, propagate=not return_exceptions)
    open_ = [(job, teller) for job, teller in tellings if job.id not in ends]
    if open_:
        ends |= await _heard(open_, listener, propagate=not return_exceptions)
    return _value(result, ends, return_exceptions=return_exceptions)


async def _heard(tellings: Iterable[Telling], listener: Listener, *, propagate: bool) -> dict[str, AsyncResult]:
    """By job id, who told how it ended."""
    awaited = {job.id for job, _ in tellings}
    by_key: defaultdict[bytes, list[Telling]] = defaultdict(list)
    for job, teller in tellings:
        by_key[teller.backend.get_key_for_task(teller.id)].append((job, teller))
    ends: dict[str, AsyncResult] = {}
    with listener.listen(by_key) as ear:
        while len(ends) < len(awaited):
            heard = await ear.get()
            if isinstance(heard, StoreUnavailableError):
                raise heard
            key, entry = heard
            for _, teller in by_key[key]:
                await _learn(teller, key, entry)
            ends |= _known(by_key[key], propagate=propagate)
    return ends


async def _learn(job: AsyncResult, key: bytes, entry: bytes) -> None:
    if job._cache:  # noqa: SLF001 - where Celery keeps what it knows
        return
    meta = job.backend.decode_result(entry)
    if meta["status"] not in states.READY_STATES:
        return
    learn = job._maybe_set_cache  # noqa: SLF001 - what Celery itself does with what it hears
    if key in job.backend.result_consumer.subscribed_to:
        # Celery listens too, as it does for what travels as a message, and stops now: a trip that could block
        await asyncio.to_thread(learn, meta)
    else:
        learn(meta)


def _known(tellings: Iterable[Telling], *, propagate: bool) -> dict[str, AsyncResult]:
    """By job id, who tells already how it ended: itself, or one before it that failed, so that it never begins."""
    ends = {}
    for job, teller in tellings:
        end = teller._cache  # noqa: SLF001 - as above
        if end and (teller is job or end["status"] in states.PROPAGATE_STATES):
            if propagate:
                teller.maybe_throw()
            ends[job.id] = teller
    return ends


def _tellings(result: AsyncResult | ResultSet, before: tuple[AsyncResult, ...] = ()) -> Iterator[Telling]:
    """Every job of a result with all who may tell how it ends."""
    if result.parent is not None:
        before += tuple(dict.fromkeys(teller for _, teller in _tellings(result.parent)))
    if isinstance(result, ResultSet):
        for each in result.results:
            yield from _tellings(each, before)
    elif not result.ignored:
        yield from ((result, teller) for teller in (result, *before))


def _value(result: AsyncResult | ResultSet, ends: Mapping[str, AsyncResult], *, return_exceptions: bool) -> Any:
    if isinstance(result, ResultSet):
        return [_value(each, ends, return_exceptions=return_exceptions) for each in result.results]
    if result.ignored:
        return None
    try:
        return ends[result.id].maybe_throw()
    except Exception as error:
        if not return_exceptions:
            raise
        return error
