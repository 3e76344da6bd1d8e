"""The pooled session against a server that the test can stop, cut off and count."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from conditions import wait_until
from counting_server import Server
from forked import in_child
from qstore.app import app
from qstore.app import settings as configured
from qstore.errors import PoolClosed, PoolTimeout, SubmissionUncertainError, TooManyRequests, TransientError
from workers.ionq import IonQ
from workers.pool.places import Limits
from workers.resources import Resources

KEY = "the-key-of-the-session"
LONG = 30.0  # seconds; nothing here takes that long unless it fails


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def session(server: Server) -> Iterator[Callable[..., IonQ]]:
    """Makes sessions with the server; they are closed at the end."""
    made: list[IonQ] = []

    def make(**changes: Any) -> IonQ:
        options = {
            "connect_timeout": LONG,
            "read_timeout": LONG,
            "pool_timeout": LONG,
            "min_size": 0,
            "max_size": 4,
            "max_waiting": 0,
            "max_lifetime": 3600.0,
            "max_idle": 60.0,
            "max_uses": 0,
        }
        made.append(IonQ(server.url, KEY, **{**options, **changes}))
        return made[-1]

    yield make
    server.answering.set()
    for each in made:
        each.close()


@pytest.fixture
def threads(server: Server) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor
        server.answering.set()


def test_one_thread_needs_one_connection(server: Server, session: Callable[..., IonQ]) -> None:
    ionq = session()
    assert ionq.stats().made == 0
    for _ in range(5):
        assert ionq.submit(b"{}") == "a-job"
        assert ionq.jobs(["a-job"]) == {}
    assert server.requests == {"POST": 5, "GET": 5}
    assert len(server.connections) == ionq.stats().made == 1
    assert ionq.stats().acquisitions == 10


def test_many_threads_share_a_few_connections_one_at_a_time(
    server: Server, session: Callable[..., IonQ], threads: ThreadPoolExecutor
) -> None:
    ionq = session(max_size=4)
    server.answering.clear()
    first = [threads.submit(ionq.submit, b"{}") for _ in range(16)]
    wait_until(lambda: server.busy == 4 and ionq.stats().waiting == 12, what="four requests, and the rest in a queue")
    server.answering.set()
    more = [threads.submit(ionq.submit, b"{}") for _ in range(200)]
    assert {each.result(LONG) for each in first + more} == {"a-job"}
    assert server.requests == {"POST": 216}
    assert server.busiest == len(server.connections) == ionq.stats().made == 4


def test_a_connection_the_server_closed_while_idle_is_replaced_before_a_job_is_sent(
    server: Server, session: Callable[..., IonQ]
) -> None:
    ionq = session()
    ionq.submit(b"{}")
    server.cut_off()
    wait_until(lambda: server.seen_from_here()[psutil.CONN_CLOSE_WAIT], what="the end of the connection to arrive")
    assert ionq.submit(b"{}") == "a-job"
    assert server.requests == {"POST": 2}
    assert len(server.connections) == 2
    assert not sum(ionq.stats().closed.values()), "it is the session's own business"


def test_a_session_whose_answer_was_lost_is_replaced(server: Server, session: Callable[..., IonQ]) -> None:
    ionq = session()
    server.hangs_up = True
    with pytest.raises(SubmissionUncertainError):
        ionq.submit(b"{}")
    assert ionq.stats().closed["errors"] == 1
    server.hangs_up = False
    assert ionq.submit(b"{}") == "a-job"
    assert server.requests == {"POST": 2}, "each was sent once"
    assert ionq.stats().made == 2


def test_a_job_broken_off_before_it_is_sent_costs_its_session_only(
    server: Server, session: Callable[..., IonQ]
) -> None:
    ionq = session(max_size=1)

    def change_of_mind() -> None:
        raise LookupError("not this one")

    with pytest.raises(LookupError, match="not this one"):
        ionq.submit(b"{}", change_of_mind)
    assert ionq.stats().closed["errors"] == 1
    assert ionq.submit(b"{}") == "a-job"
    assert server.requests == {"POST": 1}


def test_a_job_for_which_no_connection_is_free_was_certainly_not_sent(
    server: Server, session: Callable[..., IonQ], threads: ThreadPoolExecutor
) -> None:
    ionq = session(max_size=1, pool_timeout=0.01)
    server.answering.clear()
    sent = threads.submit(ionq.submit, b"{}")
    wait_until(lambda: server.busy, what="a busy connection")
    for ask in (lambda: ionq.submit(b"{}"), lambda: ionq.jobs(["a-job"])):
        with pytest.raises(PoolTimeout, match="'IonQ'") as raised:
            ask()
        assert isinstance(raised.value, TransientError)
    server.answering.set()
    assert sent.result(LONG) == "a-job"
    assert server.requests == {"POST": 1}
    assert ionq.stats().timeouts == 2


def test_a_job_for_which_too_many_wait_was_certainly_not_sent(
    server: Server, session: Callable[..., IonQ], threads: ThreadPoolExecutor
) -> None:
    ionq = session(max_size=1, max_waiting=1)
    server.answering.clear()
    sent = [threads.submit(ionq.submit, b"{}") for _ in range(2)]
    wait_until(lambda: server.busy and ionq.stats().waiting == 1, what="a busy connection, and a thread that waits")
    for ask in (lambda: ionq.submit(b"{}"), lambda: ionq.jobs(["a-job"])):
        with pytest.raises(TooManyRequests) as raised:
            ask()
        assert isinstance(raised.value, TransientError)
    server.answering.set()
    assert [each.result(LONG) for each in sent] == ["a-job", "a-job"]
    assert server.requests == {"POST": 2}
    assert ionq.stats().refused == 2


def test_a_connection_unused_for_too_long_is_not_used_again(server: Server, session: Callable[..., IonQ]) -> None:
    kept = session(min_size=1, max_idle=0)
    for _ in range(3):
        kept.submit(b"{}")
    assert (kept.stats().made, kept.stats().idle) == (1, 1)
    assert len(server.connections) == 3


def test_a_session_is_replaced_after_its_last_request(server: Server, session: Callable[..., IonQ]) -> None:
    ionq = session(max_uses=2)
    for _ in range(4):
        ionq.submit(b"{}")
    assert ionq.stats().closed["uses"] == len(server.connections) == 2


def test_the_end_closes_every_connection(
    server: Server, session: Callable[..., IonQ], threads: ThreadPoolExecutor
) -> None:
    ionq = session()
    server.answering.clear()
    sent = [threads.submit(ionq.submit, b"{}") for _ in range(3)]
    wait_until(lambda: server.busy == 3, what="busy connections")
    closing = threads.submit(ionq.close)
    wait_until(lambda: "closed" in repr(ionq), what="the end to begin")
    server.answering.set()
    assert [each.result(LONG) for each in sent] == ["a-job"] * 3
    closing.result(LONG)
    assert not server.seen_from_here()[psutil.CONN_ESTABLISHED]
    with pytest.raises(PoolClosed):
        ionq.submit(b"{}")


def test_small_requests_are_not_held_back_for_company(server: Server, session: Callable[..., IonQ]) -> None:
    with session()._session() as client:
        stream = client.get("/jobs").extensions["network_stream"]
        assert stream.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert server.requests == {"GET": 1}


def test_certificates_are_read_once_when_first_needed_and_checked(
    session: Callable[..., IonQ], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def count(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        read.append(create(*args, **kwargs))
        return read[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", count)
    ionq = session()
    assert not read
    with ionq._session() as one, ionq._session() as other:
        contexts = {client._transport._pool._ssl_context for client in (one, other)}  # type: ignore[attr-defined]  # of its default transport
    assert contexts == set(read)
    assert len(read) == 1
    assert read[0].verify_mode is ssl.CERT_REQUIRED
    assert read[0].check_hostname


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: Server, session: Callable[..., IonQ]) -> None:
    ionq = session()
    ionq.submit(b"{}")

    def child() -> None:
        assert ionq.submit(b"{}") == "a-job"
        assert ionq.stats().made == 1

    in_child(child)
    assert ionq.submit(b"{}") == "a-job"
    assert len(server.connections) == 2


def test_the_state_shows_and_the_key_does_not(session: Callable[..., IonQ]) -> None:
    ionq = session(max_size=3)
    ionq.submit(b"{}")
    assert repr(ionq).endswith("/v0.4', <Pool 'IonQ' open, 1 of 3: 1 idle, 0 in use, 0 waiting>)")
    assert KEY not in repr(ionq) + repr(vars(ionq)) + repr(ionq.stats())


def test_a_replica_s_pool_is_as_the_settings_say() -> None:
    settings = configured.model_copy(
        update={
            "ionq_api_key": SecretStr(KEY),
            "ionq_pool_min_size": 1,
            "ionq_pool_max_size": 2,
            "ionq_pool_timeout": 3.0,
            "ionq_pool_max_waiting": 4,
            "ionq_pool_max_lifetime": 5.0,
            "ionq_pool_max_idle": 6.0,
            "ionq_pool_max_uses": 7,
            "ionq_connect_timeout": 8.0,
            "ionq_read_timeout": 9.0,
        }
    )
    resources = Resources(app, settings, "worker@here")
    pool = resources._ionq._pool
    resources.close()
    assert pool._timeout == 3
    assert pool._desk._limits == Limits(
        min_size=1, max_size=2, max_waiting=4, max_lifetime=5, max_idle=6, max_uses=7, max_errors=1, leak_after=52
    )
