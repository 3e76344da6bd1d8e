"""The composition root: what one worker process holds, opened once and closed once."""

from __future__ import annotations

import hashlib
import time

from celery import Celery

from qstore.entries import Entries
from qstore.settings import Settings
from qstore.state.batches import Batches, Offers
from qstore.state.breaker import Breakers, Rules
from qstore.state.budget import Budget
from qstore.state.calibrations import Calibrations
from qstore.state.cancellations import Cancellations
from qstore.state.claims import Claims
from qstore.state.connection import Connection
from qstore.state.keys import Keys
from qstore.state.ledger import Ledger
from qstore.state.slots import Slots
from workers.announce import Announcer
from workers.calibrate import Calibrate
from workers.classical import Classical, nothing_known
from workers.collect import Collect
from workers.dispatch import Dispatch
from workers.endings import Endings
from workers.errands import Errands
from workers.failpoint import armed
from workers.ionq import IonQ
from workers.loop import Loop
from workers.pace import Pace
from workers.progress import Progress
from workers.recover import Recovery
from workers.retry import Retry
from workers.settle import Settlement
from workers.vectors.store import VectorStore
from workers.watch import Watch

_FIRST_LOOK = 1.0  # seconds at most until jobs are told that IonQ has them
_SHORTEST_TURN, _LONGEST_TURN = 0.02, 0.25  # seconds
_PATIENCE = 10  # a worker may wait for Redis longer than a caller: times `redis_timeout`


class Resources:
    """Everything a replica works with. Connections open on first use.

    Args:
        app: The Celery app.
        settings: All of them.
        hostname: This worker's, as Celery names it.
        store: Where executed runs are archived, and vectors are searched; None for nowhere.
    """

    def __init__(self, app: Celery, settings: Settings, hostname: str, store: VectorStore | None = None) -> None:
        keys = Keys(settings.key_prefix)
        api_key = settings.ionq_api_key.get_secret_value()
        reached = armed(settings.fail_point)
        self._connection = Connection(
            settings.redis_url, settings.redis_timeout * _PATIENCE, settings.redis_pool_max_size
        )
        self._ionq = IonQ(
            settings.ionq_url,
            api_key,
            connect_timeout=settings.ionq_connect_timeout,
            read_timeout=settings.ionq_read_timeout,
            pool_timeout=settings.ionq_pool_timeout,
            min_size=settings.ionq_pool_min_size,
            max_size=settings.ionq_pool_max_size,
            max_waiting=settings.ionq_pool_max_waiting,
            max_lifetime=settings.ionq_pool_max_lifetime,
            max_idle=settings.ionq_pool_max_idle,
            max_uses=settings.ionq_pool_max_uses,
        )
        self.errands = Errands(settings.ionq_pool_max_size)
        self._announcer = Announcer(app, hostname)
        entries = Entries(app, self._connection, keys)
        # stands for the API key in Redis, where the key itself must never be
        account = hashlib.sha256(f"{settings.ionq_url} {api_key}".encode()).hexdigest()[:16]
        rules = Rules(
            settings.failure_threshold,
            settings.failure_window,
            settings.recovery_timeout,
            settings.lease,
            settings.retry_backoff,
        )
        breakers = Breakers(self._connection, keys, account, rules)
        self._slots = slots = Slots(self._connection, keys, account, settings.max_concurrent_jobs, settings.lease)
        budget = Budget(self._connection, keys, settings.max_queued_jobs)
        self.watch = Watch(settings, self._connection, keys, slots, breakers, self._ionq, store)
        ledger = Ledger(
            self._connection,
            keys,
            slots,
            breakers,
            lease=settings.lease,
            result_ttl=settings.result_ttl,
            result_bytes=settings.result_cache_bytes,
            calibration_interval=settings.calibration_interval,
            archives=store is not None,
        )
        calibrations = Calibrations(
            self._connection, keys, interval=settings.calibration_interval, lease=settings.lease
        )
        calibrate = Calibrate(self._ionq, calibrations, breakers.read.guard)
        batches = Batches(
            self._connection,
            keys,
            slots,
            breakers,
            Offers(settings.max_retries, settings.retry_timeout),
            batch_size=settings.batch_size,
            batch_timeout=settings.batch_timeout,
            lease=settings.lease,
        )
        progress = Progress(ledger, entries, self._announcer, clock=time.time)
        self.cancellations = Cancellations(self._connection, keys, entries.revoked)
        settlement = Settlement(
            app,
            ledger,
            Endings(ledger, settings.result_ttl),
            Claims(self._connection, keys, budget, settings.batch_size, settings.batch_timeout),
            entries,
            self._announcer,
            woken_expires=int(settings.result_expires),
            clock=time.time,
            reached=reached,
        )
        retry = Retry(batches, settlement, entries, self._announcer, settings.retry_backoff)
        self.classical: Classical | None = None
        if store is not None:
            self.classical = Classical(
                app,
                store,
                settings,
                hostname,
                self._connection,
                keys,
                breakers,
                batches,
                calibrations,
                settlement,
                retry,
            )
        self.dispatch = Dispatch(
            batches,
            ledger,
            progress,
            breakers,
            self._ionq,
            settlement,
            retry,
            calibrate,
            self.classical.recall if self.classical else nothing_known,
            first_look=min(settings.poll_floor, _FIRST_LOOK),
            list_lag=settings.ionq_list_lag,
            sendable=settings.lease - settings.after_sending,
            reached=reached,
        )
        self.loop = Loop(
            ledger,
            self.dispatch,
            Collect(
                self._ionq,
                batches,
                progress,
                settlement,
                retry,
                self.errands,
                Pace(
                    floor=settings.poll_floor,
                    ceiling=settings.poll_ceiling,
                    timeout_simulator=settings.job_timeout_simulator,
                    timeout_qpu=settings.job_timeout_qpu,
                    clock=time.time,
                ),
                calibrations,
                guard=breakers.read.guard,
                reached=reached,
                clock=time.time,
            ),
            Recovery(
                self._ionq,
                ledger,
                progress,
                retry,
                settlement,
                breakers.read.guard,
                first_look=min(settings.poll_floor, _FIRST_LOOK),
                list_lag=settings.ionq_list_lag,
                undecided=settings.result_expires,
                clock=time.time,
            ),
            settlement,
            self.cancellations,
            calibrate,
            self._announcer,
            self.errands,
            self._ionq.maintain,
            idle=min(max(settings.batch_timeout, _SHORTEST_TURN), _LONGEST_TURN),
        )

    def close(self) -> None:
        """Close everything, once the loop has stopped."""
        self.watch.close()
        self.errands.close()
        if self.classical:
            self.classical.close()
        self._announcer.close()
        self._ionq.close()
        self._connection.close()
