"""Jobs that are canceled or expire in a canvas, and stamps, by which they can be found."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Signature, chain, chord, group
from celery.canvas import StampingVisitor
from celery.exceptions import ChordError, TaskRevokedError

from integration.canvas import plain
from integration.canvas.books import Bought
from integration.canvas.ears import Ears
from integration.canvas.hold import Call, Hold, fresh
from integration.canvas.sources import WITHIN
from qstore import cancel, submit_circuit
from qstore.app import app

REVOKE = {"cancel": cancel, "revoke": app.control.revoke}


@pytest.mark.parametrize("way", REVOKE)
def test_a_member_of_a_chord_that_is_revoked_fails_the_body(hold: Hold, ears: Ears, way: str) -> None:
    call, other = hold.call(), fresh()
    result = chord([submit_circuit.si(*call), submit_circuit.si(*other)], plain.give.s())()
    member, good = result.parent.results
    hold.wait_for(call, 1)
    REVOKE[way](member.id)
    error = result.get(timeout=WITHIN, propagate=False)
    assert isinstance(error, ChordError)
    assert f"{member.id} raised TaskRevokedError" in str(error)
    assert member.state == "REVOKED"
    with pytest.raises(TaskRevokedError, match="revoked"):
        member.get()
    assert good.get(timeout=WITHIN)["shots"] == other[1]
    told = ears.hear("task-revoked", member.id)
    assert (told["expired"], told["terminated"], told["signum"]) == (False, False, None)


def test_a_member_of_a_chord_that_expires_fails_the_body(hold: Hold, ears: Ears) -> None:
    call = hold.call()
    result = chord([submit_circuit.si(*call).set(expires=0.5), plain.give.si(1)], plain.give.s())()
    member = result.parent.results[0]
    error = result.get(timeout=WITHIN, propagate=False)
    assert isinstance(error, ChordError)
    with pytest.raises(TaskRevokedError, match="expired"):
        member.get(timeout=WITHIN)
    assert ears.hear("task-revoked", member.id)["expired"] is True


def test_a_chain_ends_where_a_member_is_revoked(hold: Hold, bought: Bought) -> None:
    call = hold.call()
    result = chain(submit_circuit.si(*call), submit_circuit.si(*fresh()))()
    hold.wait_for(call, 1)
    assert cancel(result.parent) == [True]
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN)
    hold.let_go()
    assert result.state == "PENDING"
    assert bought()["jobs_accepted"] == 0


def test_whoever_joined_a_circuit_gets_counts_though_another_is_revoked(hold: Hold) -> None:
    call = hold.call()
    linked = submit_circuit.apply_async(call, link=plain.give.s())
    hold.wait_for(call, 1)
    joined = chain(submit_circuit.si(*call), plain.shots.s())()
    hold.wait_for(call, 2)
    assert cancel(linked) == [True]
    with pytest.raises(TaskRevokedError):
        linked.get(timeout=WITHIN)
    hold.let_go()
    assert joined.get(timeout=WITHIN) == call[1]


# -- stamps -------------------------------------------------------------------------------------------------


class Tenant(StampingVisitor):  # type: ignore[misc]  # Celery has no types
    """Stamps every task with whose it is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_signature(self, sig: Signature, **headers: Any) -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        return {"tenant": self._name, "stamped_headers": ["tenant"]}


def stamps(hold: Hold, call: Call) -> list[Any]:
    """The stamps of the jobs that wait for a circuit."""
    return [job["stamps"] for job in hold.jobs(call)]


def test_stamps_stay_with_every_job_of_a_canvas(hold: Hold) -> None:
    call, later = hold.call(), hold.call()
    jobs = {
        "direct": submit_circuit.si(*call),
        "in a group": group(submit_circuit.si(*call)),
        "in a chain": chain(submit_circuit.si(*call), submit_circuit.si(*later)),
        "in a chord": chord([submit_circuit.si(*call)], plain.give.s()),
    }
    for job in jobs.values():
        job.stamp(Tenant("a"))
    results = [job.apply_async() for job in jobs.values()]
    hold.wait_for(call, len(jobs))
    assert stamps(hold, call) == [{"tenant": "a"}] * len(jobs)
    hold.let_go(call)
    hold.wait_for(later, 1)
    assert stamps(hold, later) == [{"tenant": "a"}]
    hold.let_go()
    for result in results:
        result.get(timeout=WITHIN)


def test_jobs_are_revoked_by_their_stamps(hold: Hold) -> None:
    call = hold.call()

    def stamped(job: Signature, tenant: str) -> Signature:
        job.stamp(tenant=tenant)
        return job

    mine = [stamped(submit_circuit.si(*call), "a"), stamped(submit_circuit.si(*call) | plain.give.s(), "a")]
    direct, chained = [job.apply_async() for job in mine]
    other = stamped(submit_circuit.si(*call), "b").apply_async()
    hold.wait_for(call, 3)
    app.control.revoke_by_stamped_headers({"tenant": ["a"]})
    for result in (direct, chained.parent):
        with pytest.raises(TaskRevokedError):
            result.get(timeout=WITHIN)
    hold.let_go()
    assert other.get(timeout=WITHIN)["shots"] == call[1]
