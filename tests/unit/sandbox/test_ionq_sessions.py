"""Sessions and their clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qstore.sandbox.ionq import sessions as module
from qstore.sandbox.ionq.order import Order, read_order
from qstore.sandbox.ionq.refusal import Refusal
from qstore.sandbox.ionq.sessions import Session, Sessions


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def opened(sessions: Sessions, **limits: Any) -> Session:
    return sessions.create(json.dumps({"backend": "qpu.forte-1", "settings": limits}).encode())


def order(session: Session) -> Order:
    body = {
        "type": "ionq.circuit.v1",
        "backend": "qpu.forte-1",
        "session_id": session.id,
        "input": {"gateset": "qis", "circuit": [{"gate": "x", "target": 0}]},
    }
    return read_order(json.dumps(body).encode())


def test_a_session_ends_by_itself_when_its_time_is_up() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    session = opened(sessions, duration_limit_min=2)
    sessions.admit(order(session))
    clock.now += 119.9
    assert (session.document(clock.now)["status"], sessions.known(active=True)) == ("started", [session])
    clock.now += 0.1
    document = session.document(clock.now + 100)
    assert (document["status"], document["active"], document["ender_id"]) == ("ended", False, None)
    assert document["ended_at"] == document["settings"]["expires_at"] == "1970-01-12T13:48:40.000Z"
    assert (sessions.known(active=True), sessions.known(active=False)) == ([], [session])
    with pytest.raises(Refusal, match="ended"):
        sessions.admit(order(session))


def test_a_session_ends_once() -> None:
    clock = Clock()
    session = opened(Sessions(clock))
    session.end(clock.now)
    session.end(clock.now + 5)
    assert session.ended_at(clock.now + 9) == clock.now
    assert session.document(clock.now)["ender_id"] is not None


def test_a_job_that_is_refused_does_not_count() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    session = opened(sessions, cost_limit={"unit": "usd", "value": 9})
    with pytest.raises(Refusal, match="may cost"):
        sessions.admit(order(session))
    assert (session.jobs, session.cost, session.started_at) == (0, 0, None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"backend": None},
        {"backend": "qpu.none"},
        {"backend": "qpu.forte-1", "settings": None},
        {"backend": "qpu.forte-1", "settings": {"job_count_limit": 0}},
        {"backend": "qpu.forte-1", "settings": {"job_count_limit": 2**31}},
        {"backend": "qpu.forte-1", "settings": {"job_count_limit": None}},
        {"backend": "qpu.forte-1", "settings": {"cost_limit": {"unit": "eur", "value": 1}}},
        {"backend": "qpu.forte-1", "settings": {"expires_at": "2999-01-01T00:00:00Z"}},
    ],
)
def test_a_session_that_cannot_be_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        Sessions(Clock()).create(json.dumps(body).encode())
    assert refused.value.status == 400


def test_the_oldest_sessions_are_forgotten_and_the_latest_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    sessions = Sessions(Clock())
    first, second, third = (opened(sessions) for _ in range(3))
    assert sessions.known(active=None) == [third, second]
    with pytest.raises(Refusal):
        sessions.find(first.id)
