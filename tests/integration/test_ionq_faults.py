"""The IonQ stand-in failing on command: a process of its own, asked over HTTP by a client that keeps connections."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conditions import wait_until
from qstore.sandbox.ionq.__main__ import main
from stand_in import KEY, StandIn, running_as


class Shaky(StandIn):
    """One that fails on command."""

    def arm(self, *faults: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.sandbox.post("/faults", json=faults)
        assert answer.status_code == 201, answer.text
        added: list[dict[str, Any]] = answer.json()["faults"]
        return added

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.get("/faults").raise_for_status().json()["faults"]
        return found

    def ledger(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.get("/ledger").raise_for_status().json()["jobs"]
        return found

    def ask(self, method: str = "POST", path: str = "/jobs", **options: Any) -> int | str:
        """The status of the answer, or what happened to the connection."""
        if method == "POST":
            options = {"json": job(), **options}
        try:
            return self.http.request(method, path, **options).status_code
        except httpx.TimeoutException:
            return "timeout"
        except httpx.TransportError:
            return "dropped"

    def buy(self, **fields: Any) -> str:
        return self.submit(job(**fields))

    def results(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job_id}/results/probabilities/aggregated")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def listed(self, **asked: str) -> list[str]:
        return [each["id"] for each in self.http.get("/jobs", params=asked).raise_for_status().json()["jobs"]]


def job(circuits: int = 3, **fields: Any) -> dict[str, Any]:
    """A job of as many circuits, each different from the others."""
    children = [{"circuit": [{"gate": "x", "target": place}]} for place in range(circuits)]
    given = {"gateset": "qis", "circuits": children}
    return {"type": "ionq.multi-circuit.v1", "backend": "simulator", "input": given, **fields}


@pytest.fixture(scope="module")
def shared() -> Iterator[Shaky]:
    with running_as(Shaky) as found:
        yield found


@pytest.fixture
def stand_in(shared: Shaky) -> Iterator[Shaky]:
    yield shared
    shared.sandbox.delete("/faults")


@pytest.fixture(scope="module")
def slow() -> Iterator[Shaky]:
    """Its jobs take longer than any test."""
    with running_as(Shaky, "--latency", "3600") as found:
        yield found


# -- the exchange -------------------------------------------------------------------------------------------

SPOILED: dict[str, tuple[dict[str, Any], int | str, int]] = {  # the fault, what the client sees, jobs accepted
    "throttled": ({"kind": "throttle"}, 429, 0),
    "an error": ({"kind": "error"}, 500, 0),
    "an error of any number": ({"kind": "error", "status": 599}, 599, 0),
    "a gateway's page": ({"kind": "html"}, 502, 0),
    "an expired key": ({"kind": "unauthorized"}, 401, 0),
    "a forbidden key": ({"kind": "unauthorized", "status": 403}, 403, 0),
    "accepted, then a time-out at the gateway": ({"kind": "accept_then"}, 504, 1),
    "accepted, then an error": ({"kind": "accept_then", "status": 500}, 500, 1),
    "dropped": ({"kind": "drop"}, "dropped", 0),
    "accepted, then dropped": ({"kind": "drop_after"}, "dropped", 1),
    "stalled a little": ({"kind": "stall", "stall": 0.01}, 201, 1),
    "accepted, then stalled a little": ({"kind": "stall_after", "stall": 0.01}, 201, 1),
    "an outage": ({"kind": "outage", "seconds": 3600, "count": 1}, "dropped", 0),
    "an outage with errors": ({"kind": "outage", "seconds": 3600, "count": 1, "mode": "error"}, 503, 0),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_request_is_spoiled_once_with_or_without_the_work_being_done(stand_in: Shaky, case: str) -> None:
    fault, seen, accepted = SPOILED[case]
    before = stand_in.stats()
    stand_in.arm(fault)
    assert stand_in.ask() == seen
    after = stand_in.stats()
    assert after["jobs_accepted"] - before["jobs_accepted"] == accepted
    assert after["requests"] - before["requests"] == 1
    status = "unanswered" if seen == "dropped" else str(seen)
    counts = [stats["by_endpoint"].get("POST /jobs", {}).get(status, 0) for stats in (before, after)]
    assert counts[1] == counts[0] + 1
    (found,) = stand_in.faults()
    assert (found["struck"], found["left"], found["active"]) == (1, 0, False)
    assert stand_in.ask() == 201


@pytest.mark.parametrize(
    ("given", "header"),
    [({}, None), ({"retry_after": 2}, "2"), ({"retry_after": 0.5}, "0.5"), ({"retry_after": "soon"}, "soon")],
)
def test_who_is_throttled_is_told_when_to_come_back_or_not(
    stand_in: Shaky, given: dict[str, Any], header: str | None
) -> None:
    stand_in.arm({"kind": "throttle", **given})
    answer = stand_in.http.get("/jobs")
    assert (answer.status_code, answer.json()["statusCode"]) == (429, 429)
    assert answer.headers.get("Retry-After") == header


def test_a_gateways_page_is_html(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "html"})
    answer = stand_in.http.get("/jobs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
def test_a_kept_connection_is_closed_without_a_word_and_the_next_one_serves(stand_in: Shaky, kind: str) -> None:
    assert [stand_in.ask("GET"), stand_in.ask("GET")] == [200, 200]
    before = stand_in.stats()["connections"]
    stand_in.arm({"kind": kind})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError), match=r"reset|without sending a response"):
        stand_in.http.get("/jobs")
    assert [stand_in.ask("GET"), stand_in.ask("GET")] == [200, 200]
    assert stand_in.stats()["connections"] == before + 1


def test_a_large_request_is_dropped_too(stand_in: Shaky) -> None:
    before = stand_in.stats()["jobs_accepted"]
    stand_in.arm({"kind": "drop"})
    assert stand_in.ask(content=b" " * 7_000_000, json=None) == "dropped"
    assert stand_in.stats()["jobs_accepted"] == before


@pytest.mark.parametrize(("kind", "accepted"), [("stall", 0), ("stall_after", 1)])
def test_who_gives_up_on_a_stall_is_let_go(stand_in: Shaky, kind: str, accepted: int) -> None:
    before = stand_in.stats()
    stand_in.arm({"kind": kind, "stall": 3600})
    assert stand_in.ask(timeout=0.2) == "timeout"

    def unanswered(stats: dict[str, Any]) -> int:
        return int(stats["by_endpoint"].get("POST /jobs", {}).get("unanswered", 0))

    wait_until(lambda: unanswered(stand_in.stats()) == unanswered(before) + 1, what="the end of the stall")
    assert stand_in.stats()["jobs_accepted"] == before["jobs_accepted"] + accepted


@pytest.mark.parametrize("kind", ["stall", "stall_after"])
def test_a_stall_keeps_nobody_from_stopping_the_stand_in(kind: str) -> None:
    with running_as(Shaky, "--fault", f"{kind} stall=3600") as found:
        asking = threading.Thread(target=found.ask)
        asking.start()
        wait_until(lambda: found.faults()[0]["struck"], what="the stall")
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(timeout=10) == 0
        asking.join(timeout=10)
        assert not asking.is_alive()


def test_in_an_outage_nobody_is_there_until_it_is_over(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "outage", "seconds": 3600, "count": 12, "mode": "mixed", "seed": 3})
    asked = [("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/backends"), ("GET", "/jobs/estimate?backend=simulator")]
    seen = [stand_in.ask(*each) for each in asked * 3]
    assert set(seen) == {"dropped", 503}
    assert stand_in.ask("GET") == 200
    stand_in.arm({"kind": "outage", "seconds": 0.3})
    wait_until(lambda: stand_in.ask("GET") == 200, what="the end of the outage")
    assert stand_in.ask() == 201


def test_the_first_fault_that_strikes_wins(stand_in: Shaky) -> None:
    stand_in.arm(
        {"kind": "error", "after": 1}, {"kind": "throttle", "count": 2}, {"kind": "html", "endpoint": "GET /jobs"}
    )
    assert [stand_in.ask() for _ in range(4)] == [429, 500, 429, 201]
    assert stand_in.ask("GET") == 502


def test_chance_repeats_from_run_to_run(stand_in: Shaky) -> None:
    def run(seed: int) -> list[int | str]:
        stand_in.sandbox.delete("/faults")
        stand_in.arm({"kind": "error", "endpoint": "GET /jobs", "status": 503, "probability": 0.3, "seed": seed})
        return [stand_in.ask("GET") for _ in range(60)]

    assert run(7) == run(7)
    assert run(7) != run(8)
    assert set(run(7)) == {200, 503}


def test_deleting_the_faults_restores_peace(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "drop", "count": 1000}, {"kind": "error", "probability": 1})
    assert stand_in.ask() == "dropped"
    assert stand_in.sandbox.delete("/faults").json() == {"faults": []}
    assert [stand_in.ask() for _ in range(3)] == [201] * 3
    assert stand_in.faults() == []


def test_a_504_after_accepting_has_really_accepted(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "accept_then", "endpoint": "POST /jobs"})
    answer = stand_in.http.post("/jobs", json=job(metadata={"nonce": "n-504"}))
    assert (answer.status_code, answer.json()["statusCode"]) == (504, 504)
    newest = stand_in.http.get("/jobs").json()["jobs"][0]
    assert newest["metadata"] == {"nonce": "n-504"}
    assert stand_in.ended(newest["id"])["status"] == "completed"


# -- the sandbox's own endpoints ----------------------------------------------------------------------------


def test_faults_are_told_with_what_is_left_of_them(stand_in: Shaky) -> None:
    one, two = stand_in.arm({"kind": "throttle", "endpoint": "GET /jobs", "count": 3}, {"kind": "slow", "latency": 1})
    assert one["id"] != two["id"]
    stand_in.ask("GET")
    assert stand_in.faults() == [{**one, "left": 2, "struck": 1}, two]


def test_a_single_fault_may_come_by_itself(stand_in: Shaky) -> None:
    assert stand_in.sandbox.post("/faults", json={"kind": "error"}).status_code == 201
    assert stand_in.ask() == 500


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'[{"kind": "error"}, {"kind": "eror"}]'])
def test_what_is_no_fault_is_refused_and_adds_nothing(stand_in: Shaky, body: bytes) -> None:
    answer = stand_in.sandbox.post("/faults", content=body)
    assert (answer.status_code, answer.json()["statusCode"]) == (400, 400)
    assert "fault" in answer.json()["message"]
    assert stand_in.faults() == []


def test_the_sandboxs_own_endpoints_do_not_count_and_are_not_struck(stand_in: Shaky) -> None:
    before = stand_in.stats()
    stand_in.arm({"kind": "drop", "probability": 1})
    stand_in.faults()
    stand_in.ledger()
    assert stand_in.stats() == before


# -- content ------------------------------------------------------------------------------------------------


def test_some_children_fail_in_a_job_that_completes(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "child_failed", "positions": [1], "code": "TooManyControls"})
    found = stand_in.ended(stand_in.buy())
    children = [stand_in.job(child) for child in found["child_job_ids"]]
    assert [found["status"], *(child["status"] for child in children)] == [
        "completed",
        "completed",
        "failed",
        "completed",
    ]
    assert children[1]["failure"]["code"] == "TooManyControls"
    assert stand_in.results(found["id"]).keys() == {children[0]["id"], children[2]["id"]}
    after = stand_in.ended(stand_in.buy())
    assert len(stand_in.results(after["id"])) == 3


def test_a_whole_job_fails(stand_in: Shaky) -> None:
    before = stand_in.stats()
    stand_in.arm({"kind": "job_failed", "code": "QuotaExhaustedError"})
    found = stand_in.ended(stand_in.buy())
    assert (found["status"], found["failure"]["code"]) == ("failed", "QuotaExhaustedError")
    after = stand_in.stats()
    assert after["jobs_failed"] - before["jobs_failed"] == 1
    assert after["circuits_paid"] == before["circuits_paid"]


def test_a_job_is_completed_before_its_slow_child(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "child_slow", "n": 1, "delay": 3600})
    found = stand_in.ended(stand_in.buy())
    states = [stand_in.job(child)["status"] for child in found["child_job_ids"]]
    assert found["status"] == "completed"
    assert sorted(states) == ["completed", "completed", "started"]
    assert len(stand_in.results(found["id"])) == 2


@pytest.mark.parametrize(("kind", "sizes"), [("missing_child", [2, 3]), ("empty_child", [3, 3])])
def test_an_answer_lacks_a_child_or_what_it_yielded(stand_in: Shaky, kind: str, sizes: list[int]) -> None:
    job_id = stand_in.buy()
    stand_in.ended(job_id)
    stand_in.arm({"kind": kind})
    spoiled, good = stand_in.results(job_id), stand_in.results(job_id)
    assert [len(spoiled), len(good)] == sizes
    assert sum(bool(each) for each in spoiled.values()) == 2
    assert all(good.values())


def test_an_answer_that_is_refused_is_not_struck(slow: Shaky) -> None:
    job_id = slow.buy()
    slow.arm({"kind": "missing_child"})
    assert slow.ask("GET", f"/jobs/{job_id}/results/probabilities/aggregated") == 404
    assert slow.faults()[0]["struck"] == 0
    slow.sandbox.delete("/faults")


def test_results_come_in_another_order(stand_in: Shaky) -> None:
    job_id = stand_in.buy()
    stand_in.ended(job_id)
    stand_in.arm({"kind": "reordered"})
    spoiled, good = stand_in.results(job_id), stand_in.results(job_id)
    assert spoiled == good
    assert list(spoiled) != list(good)


def test_children_are_named_in_another_order(stand_in: Shaky) -> None:
    job_id = stand_in.buy()
    stand_in.arm({"kind": "children_reordered"})
    spoiled, good = (stand_in.job(job_id)["child_job_ids"] for _ in range(2))
    assert sorted(spoiled) == sorted(good)
    assert spoiled != good


def test_a_new_job_is_in_no_list_yet_but_there(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "list_lag", "lag": 3600})
    hidden = stand_in.buy()
    assert hidden not in stand_in.listed()
    assert stand_in.listed(ids=hidden) == [hidden]
    assert stand_in.job(hidden)["id"] == hidden
    stand_in.sandbox.delete("/faults")
    shown = stand_in.buy()
    assert stand_in.listed()[0] == shown


@pytest.mark.parametrize("path", ["/jobs/{id}/status/cancel", "/jobs/status/cancel"])
def test_a_cancel_that_comes_too_late_says_that_it_did_not(path: str) -> None:
    with running_as(Shaky, "--latency", "0.5") as found:
        found.arm({"kind": "late_cancel"})
        job_id = found.buy()
        bulk: dict[str, Any] | None = None if "{id}" in path else {"ids": [job_id]}
        answer = found.http.put(path.format(id=job_id), json=bulk).raise_for_status().json()
        assert answer == {**(bulk or {"id": job_id}), "status": "canceled"}
        assert found.ended(job_id)["status"] == "completed"
        assert len(found.results(job_id)) == 3


def test_a_forgotten_job_is_nowhere_but_was_paid(stand_in: Shaky) -> None:
    before = stand_in.stats()
    stand_in.arm({"kind": "forgotten"})
    job_id = stand_in.buy()
    assert stand_in.ask("GET", f"/jobs/{job_id}") == 404
    assert job_id not in stand_in.listed()
    assert stand_in.listed(ids=job_id) == []
    wait_until(lambda: stand_in.ledger()[-1]["status"] == "completed", what="the end of the forgotten job")
    assert stand_in.ledger()[-1]["id"] == job_id
    assert stand_in.stats()["circuits_paid"] == before["circuits_paid"] + 3


def test_jobs_are_slow_for_a_while(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "slow", "latency": 3600, "count": 2})
    slow = [stand_in.buy() for _ in range(2)]
    assert stand_in.ended(stand_in.buy())["status"] == "completed"
    assert [stand_in.job(each)["status"] for each in slow] == ["submitted"] * 2


def test_faults_of_content_add_up_behind_a_spoiled_exchange(stand_in: Shaky) -> None:
    stand_in.arm(
        {"kind": "slow", "latency": 3600, "count": 1},
        {"kind": "list_lag", "lag": 3600, "count": 1},
        {"kind": "drop_after", "endpoint": "POST /jobs"},
    )
    assert stand_in.ask() == "dropped"
    assert [each["struck"] for each in stand_in.faults()] == [1, 1, 1]
    job_id = stand_in.ledger()[-1]["id"]
    assert job_id not in stand_in.listed()
    assert stand_in.job(job_id)["status"] == "submitted"


# -- the judge ----------------------------------------------------------------------------------------------


def test_the_ledger_tells_every_purchase_and_the_figures_agree() -> None:
    with running_as(Shaky, "--latency", "3600") as found:
        first = found.buy(name="first", metadata={"nonce": "1"}, shots=7)
        again = found.buy(name="again", metadata={"nonce": "2"}, shots=7)
        other = found.buy(shots=8)
        found.http.put(f"/jobs/{again}/status/cancel").raise_for_status()
        found.http.delete(f"/jobs/{other}").raise_for_status()
        told = found.ledger()
        assert [each["id"] for each in told] == [first, again, other]
        assert [each["status"] for each in told] == ["submitted", "canceled", "canceled"]
        assert [each["metadata"] for each in told] == [{"nonce": "1"}, {"nonce": "2"}, None]
        assert told[0]["circuits"] == told[1]["circuits"]
        assert len({*told[0]["circuits"], *told[2]["circuits"]}) == 6
        stats = found.stats()
        assert (stats["jobs_accepted"], stats["circuits_accepted"]) == (3, 9)
        assert (stats["circuits_distinct"], stats["circuits_duplicate"]) == (6, 3)
        assert (stats["jobs_canceled"], stats["circuits_paid"]) == (2, 3)


# -- the command line ---------------------------------------------------------------------------------------


def test_each_key_has_its_own_limit() -> None:
    with running_as(Shaky, "--rate-limit", "0.01", "--api-key", KEY, "--api-key", "another") as found:
        assert [found.ask("GET") for _ in range(2)] == [200, 429]
        answer = found.http.get("/jobs")
        assert 90 <= int(answer.headers["Retry-After"]) <= 100
        assert found.ask("GET", headers={"Authorization": "apiKey another"}) == 200
        found.sandbox.delete("/faults")
        assert found.ask("GET") == 429


def test_a_limit_may_come_and_go(stand_in: Shaky) -> None:
    stand_in.arm({"kind": "rate_limit", "rate": 0.01, "burst": 3})
    assert [stand_in.ask("GET") for _ in range(4)] == [200, 200, 200, 429]
    assert stand_in.http.get("/jobs").headers["Retry-After"] == "100"
    assert stand_in.faults()[0]["struck"] == 2
    stand_in.sandbox.delete("/faults")
    assert stand_in.ask("GET") == 200


def test_faults_may_be_there_from_the_start() -> None:
    short, full = "POST /jobs: error status=503 count=2", '{"kind": "html", "endpoint": "GET /jobs"}'
    with running_as(Shaky, "--fault", short, "--fault", full) as found:
        assert [found.ask() for _ in range(3)] == [503, 503, 201]
        assert [found.ask("GET") for _ in range(2)] == [502, 200]


@pytest.mark.parametrize("fault", ["error status=200", "nonsense", "POST /nothing: drop", "{"])
def test_a_bad_fault_on_the_command_line_keeps_the_stand_in_from_starting(fault: str) -> None:
    done = CliRunner().invoke(main, ["--fault", fault])
    assert done.exit_code == 2
    assert "--fault" in done.stderr


def test_help_names_every_kind_of_fault() -> None:
    done = CliRunner().invoke(main, ["--help"])
    for kind in ("throttle", "drop_after", "child_failed", "list_lag"):
        assert f"\n    {kind} " in done.stdout
