"""The Celery app and its configuration, nothing else. Nothing connects at import."""

from __future__ import annotations

import atexit
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from qstore.settings import Settings


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's configuration for these settings.

    Args:
        settings: Where Redis is, and how long to wait for it.
    """
    deadline = settings.redis_timeout
    return {
        "broker_url": settings.redis_url,
        "result_backend": settings.redis_url,
        "result_expires": settings.result_expires,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        # a delivery whose worker died is delivered again; every task here may run twice without harm
        "task_acks_late": True,
        "task_track_started": True,
        # bells are short and any replica can answer them: hoard none
        "worker_prefetch_multiplier": 1,
        "worker_pool": "threads",
        "worker_concurrency": 4,
        "worker_send_task_events": True,
        # outlive Redis, however long it is away
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # with Redis down a caller hears of it at once, not after Celery's own 19 s of retries
        "broker_transport_options": {"socket_connect_timeout": deadline},
        "redis_socket_connect_timeout": deadline,
    }


def create_app(settings: Settings) -> Celery:
    """A Celery app that nothing else in the process falls into by accident.

    Args:
        settings: See `configuration`.
    """
    # a service has an app of its own: importing qstore must not become its current app
    app = Celery("qstore", set_as_current=False, control="qstore.control:Control")
    app.conf.update(configuration(settings))
    return app


@atexit.register
def _be_quiet_at_the_end() -> None:
    """Celery 5.7's results outlive what they need at exit, and print a traceback each where a script keeps them."""
    AsyncResult.__del__ = lambda _: None


settings = Settings()
app = create_app(settings)
