"""The composition root: what one worker process holds, opened once and closed once."""

from __future__ import annotations

import time

from celery import Celery

from qstore.entries import Entries
from qstore.settings import Settings
from qstore.state.batches import Batches
from qstore.state.claims import Claims
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.ledger import Ledger
from workers.announce import Announcer
from workers.collect import Collect
from workers.dispatch import Dispatch
from workers.errands import Errands
from workers.ionq import IonQ
from workers.loop import Loop
from workers.recover import Recovery
from workers.settle import Settlement

_SHORTEST_TURN, _LONGEST_TURN = 0.02, 0.25  # seconds
_PATIENCE = 10  # a worker may wait for Redis longer than a caller: times `redis_timeout`


class Resources:
    """Everything a replica works with. Connections open on first use.

    Args:
        app: The Celery app.
        settings: All of them.
        hostname: This worker's, as Celery names it.
    """

    def __init__(self, app: Celery, settings: Settings, hostname: str) -> None:
        keys = Keys(settings.key_prefix)
        self._connection = Connection(settings.redis_url, settings.redis_timeout * _PATIENCE)
        self._ionq = IonQ(
            settings.ionq_url,
            settings.ionq_api_key.get_secret_value(),
            connect_timeout=settings.ionq_connect_timeout,
            read_timeout=settings.ionq_read_timeout,
            max_connections=settings.ionq_pool_max_size,
        )
        self._errands = Errands(settings.ionq_pool_max_size)
        self._announcer = Announcer(app, hostname)
        ledger = Ledger(self._connection, keys, settings.lease, settings.result_ttl)
        batches = Batches(self._connection, keys, settings.batch_size, settings.batch_timeout, settings.lease)
        settlement = Settlement(
            app,
            ledger,
            Claims(self._connection, keys, settings.batch_size, settings.batch_timeout),
            Entries(app, self._connection),
            self._announcer,
            woken_expires=int(settings.result_expires),
            clock=time.time,
        )
        self.dispatch = Dispatch(
            batches,
            ledger,
            self._ionq,
            settlement,
            first_look=settings.poll_floor,
            list_lag=settings.ionq_list_lag,
            max_retries=settings.max_retries,
            backoff=settings.retry_backoff,
        )
        self.loop = Loop(
            ledger,
            self.dispatch,
            Collect(
                self._ionq,
                batches,
                ledger,
                settlement,
                self._announcer,
                self._errands,
                floor=settings.poll_floor,
                ceiling=settings.poll_ceiling,
                clock=time.time,
            ),
            Recovery(
                self._ionq,
                ledger,
                self.dispatch,
                first_look=settings.poll_floor,
                list_lag=settings.ionq_list_lag,
            ),
            settlement,
            self._announcer,
            self._errands,
            idle=min(max(settings.batch_timeout, _SHORTEST_TURN), _LONGEST_TURN),
        )

    def close(self) -> None:
        """Close everything, once the loop has stopped."""
        self._errands.close()
        self._announcer.close()
        self._ionq.close()
        self._connection.close()
