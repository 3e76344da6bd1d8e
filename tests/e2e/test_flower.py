"""Flower in a real browser: every job is shown as what it is, and its buttons do what they say.

`PICTURES=docs/images python -m pytest tests/e2e/test_flower.py` writes the pictures of the README anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import chain
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from playwright.sync_api import Browser, Locator, Page, expect

from browser import browsing
from conditions import wait_until
from qstore import Result, errors, submit_circuit
from qstore.result import headline
from qstore.sandbox.sandbox import Sandbox
from workers.flowerconfig import tasks_columns

WITHIN = 60  # seconds
PATIENCE = 20_000  # milliseconds
COLUMNS = tasks_columns.split(",")
EXAMPLES = Path(__file__).parents[2] / "examples"
BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0], q[1]; measure q -> c;'
Bought = Callable[[], dict[str, Any]]

_EXACT = "%Y-%m-%d %H:%M:%S.%f UTC"


def ask(name: str, **options: Any) -> AsyncResult:
    """Submit an example as a service does that has no Qiskit."""
    return submit_circuit.delay((EXAMPLES / f"{name}.qasm").read_text(), shots=1000, name=name, **options)


@dataclass(frozen=True)
class Seen:
    """A job that ended, and what its asker got."""

    job_id: str
    result: Result

    @classmethod
    def of(cls, asked: AsyncResult) -> Seen:
        return cls(asked.id, asked.get(timeout=WITHIN))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def flower(sandbox: Sandbox) -> str:
    assert sandbox.flower is not None
    return sandbox.flower.url


@pytest.fixture(scope="module")
def tab(browser: Browser, flower: str) -> Page:
    context = browser.new_context(
        base_url=flower, viewport={"width": 1920, "height": 600}, device_scale_factor=0.75, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """Flower's page of tasks."""
    tab.goto("/tasks")
    yield tab
    tab.evaluate("localStorage.clear()")  # where it keeps what was searched for


def commit(sandbox: Sandbox, kind: str, **fields: Any) -> None:
    """Have something go wrong at IonQ, once."""
    httpx.post(f"{sandbox.ionq.url}/sandbox/faults", json={"kind": kind, "count": 1, **fields}).raise_for_status()


@pytest.fixture(scope="module")
def jobs(sandbox: Sandbox) -> dict[str, Seen]:
    """Jobs that ended, by the way each took."""
    commit(sandbox, "slow", latency=0.5)
    executed, joined = ask("bell"), ask("bell")
    links = [submit_circuit.si((EXAMPLES / f"{name}.qasm").read_text(), name=name) for name in ("ghz5", "qft4")]
    last = chain(*links)()
    ended = {"executed": Seen.of(executed), "joined": Seen.of(joined)}
    ended |= {"first of a chain": Seen.of(last.parent), "last of a chain": Seen.of(last)}
    ended["cached"] = Seen.of(ask("bell"))
    by_name = submit_circuit.app.send_task("qstore.submit_circuit", [BELL], {"shots": 1000})
    ended["cached, by name"] = Seen.of(by_name)
    return ended


def shown_as(page: Page, job_id: str, state: str) -> None:
    """Wait until Flower says so, on its page of tasks, which does not renew itself."""
    page.wait_for_function(
        """([id, state]) => {
            const ask = new XMLHttpRequest();
            ask.open("GET", "/api/task/info/" + id, false);  // at once: a promise would count as true
            ask.send();
            return ask.status === 200 && JSON.parse(ask.responseText).state === state;
        }""",
        arg=[job_id, state],
        polling=50,
    )
    page.get_by_role("button", name="All").click()
    expect(cell(page, job_id, "state")).to_have_text(state)


def press(page: Page, job_id: str, button: str) -> None:
    """Press a button on the page of a task, and come back to all of them."""
    cell(page, job_id, "uuid").get_by_role("link").click()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_have_text(f"Revoked '{job_id}'")
    page.goto("/tasks")


def cell(page: Page, job_id: str, column: str) -> Locator:
    return page.locator(f'tr[id="{job_id}"] td').nth(COLUMNS.index(column))


def detail(page: Page, label: str) -> Locator:
    """A value on the page of one task."""
    return page.locator(".detail-row").filter(has=page.get_by_text(label, exact=True)).locator("dd")


def duration(seconds: float) -> str:
    """As Flower writes it."""
    return f"{seconds * 1000:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def moment(seconds: float) -> str:
    """As Flower's page of tasks writes it."""
    whole, part = divmod(int(seconds * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{part:03d}"


def picture(page: Page, name: str) -> None:
    """One for the README, where that is asked for."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_every_job_is_shown_as_what_it_was(page: Page, jobs: dict[str, Seen]) -> None:
    for way, seen in jobs.items():
        shown_as(page, seen.job_id, "SUCCESS")
        result, times = seen.result, seen.result["times"]
        cached = result["source"] == "cached"
        assert result["source"] == ("executed" if way.endswith("chain") else way.split(",")[0])
        expect(cell(page, seen.job_id, "name")).to_have_text("qstore.submit_circuit")
        expect(cell(page, seen.job_id, "result")).to_have_text(headline(result))
        expect(cell(page, seen.job_id, "received")).to_have_text(moment(times["asked"]))
        expect(cell(page, seen.job_id, "started")).to_have_text(moment(times["asked" if cached else "sent"]))
        expect(cell(page, seen.job_id, "runtime")).to_have_text(
            duration(0 if cached else times["done"] - times["sent"])
        )
        expect(cell(page, seen.job_id, "retries")).to_have_text(re.compile("^0?$"))  # a hit is told of in one event
        expect(cell(page, seen.job_id, "worker")).to_have_text(re.compile(r"^worker[12]@."))
        qubits = "" if way == "cached, by name" else f"{len(next(iter(result['counts'])))} qubits · "
        summary = f"{result['name']} · {qubits}1000 shots · {result['fingerprint'][:4]}…"
        expect(cell(page, seen.job_id, "args")).to_have_text(summary)


def test_a_job_has_a_page_of_its_own(page: Page, jobs: dict[str, Seen]) -> None:
    seen = jobs["executed"]
    times = seen.result["times"]

    shown_as(page, seen.job_id, "SUCCESS")
    cell(page, seen.job_id, "uuid").get_by_role("link").click()

    expect(detail(page, "UUID")).to_contain_text(seen.job_id)
    expect(detail(page, "Status")).to_have_text("SUCCESS")
    expect(detail(page, "Arguments")).to_contain_text("bell · 2 qubits · 1000 shots · ")
    expect(detail(page, "Keyword arguments")).to_have_text("")
    expect(detail(page, "Result")).to_have_text(headline(seen.result))
    expect(detail(page, "Received")).to_have_text(f"{datetime.fromtimestamp(times['asked'], UTC):{_EXACT}}")
    expect(detail(page, "Started")).to_have_text(f"{datetime.fromtimestamp(times['sent'], UTC):{_EXACT}}")
    expect(detail(page, "Runtime")).to_have_text(duration(times["done"] - times["sent"]))
    expect(detail(page, "Worker")).to_have_text(re.compile(r"worker[12]@."))
    expect(page.get_by_role("button", name=re.compile("Revoke|Terminate"))).to_have_count(0)
    picture(page, "flower-task")


@pytest.mark.usefixtures("jobs")
def test_nobody_is_shown_who_is_not_there(page: Page, sandbox: Sandbox) -> None:
    page.goto("/workers")
    expect(page.locator("#workers-online")).to_have_text(str(len(sandbox.workers)))
    rows = page.locator("#workers-table tbody tr")
    expect(rows).to_have_count(len(sandbox.workers))
    expect(rows.get_by_role("link", name=re.compile(r"^Worker worker[12]@."))).to_have_count(len(sandbox.workers))

    page.goto("/tasks?state=PENDING")
    expect(page.locator("#tasks-table tbody")).to_have_text("No tasks match your search.")


def test_a_job_that_fails_says_why_where_its_counts_would_be(page: Page, sandbox: Sandbox) -> None:
    commit(sandbox, "job_failed", code="QuantumComputerError")
    failing = ask("qft4", reuse=False)
    with pytest.raises(errors.IonQJobFailedError) as told:
        failing.get(timeout=WITHIN)

    shown_as(page, failing.id, "FAILURE")

    expect(cell(page, failing.id, "result")).to_have_text(f"IonQJobFailedError: {told.value}")
    expect(cell(page, failing.id, "runtime")).to_have_text("")


def test_a_job_at_ionq_is_terminated_by_flowers_button(page: Page, sandbox: Sandbox) -> None:
    canceled = sandbox.stats()["jobs_canceled"]
    commit(sandbox, "slow", latency=3600)
    waiting = ask("grover3")
    shown_as(page, waiting.id, "SUBMITTED")
    # what a replica tells of a job that IonQ executes; for that the stand-in would take half its latency first
    replica = cell(page, waiting.id, "worker").inner_text()
    with submit_circuit.app.events.default_dispatcher(hostname=replica) as dispatcher:
        dispatcher.send("task-started", uuid=waiting.id, state="STARTED")
    shown_as(page, waiting.id, "STARTED")

    press(page, waiting.id, "Terminate")

    shown_as(page, waiting.id, "REVOKED")
    with pytest.raises(TaskRevokedError):
        waiting.get(timeout=WITHIN)
    assert waiting.state == "REVOKED"
    wait_until(lambda: sandbox.stats()["jobs_canceled"] == canceled + 1, what="the cancel at IonQ")


def test_jobs_that_wait_are_revoked_by_flowers_button_and_never_bought(
    page: Page, sandbox: Sandbox, bought: Bought
) -> None:
    commit(sandbox, "slow", latency=3600)
    at_ionq = ask("teleport")
    shown_as(page, at_ionq.id, "SUBMITTED")
    commit(sandbox, "throttle", endpoint="POST /jobs", retry_after=3600)
    refused = ask("ghz5", backend="qpu.forte-1")
    shown_as(page, refused.id, "RETRY")
    expect(cell(page, refused.id, "result")).to_have_text(re.compile("^IonQThrottledError: "))
    expect(cell(page, refused.id, "retries")).to_have_text("1")
    queued = ask("bernstein_vazirani", backend="qpu.forte-1")
    shown_as(page, queued.id, "RECEIVED")
    picture(page, "flower-tasks")

    at_ionq.revoke()  # Flower has no button for a state that Celery does not know
    shown_as(page, at_ionq.id, "REVOKED")
    for waiting in (refused, queued):
        press(page, waiting.id, "Revoke")
        shown_as(page, waiting.id, "REVOKED")
        with pytest.raises(TaskRevokedError):
            waiting.get(timeout=WITHIN)
        assert waiting.state == "REVOKED"
    assert bought()["circuits_accepted"] == 1  # the one IonQ had


def test_flower_remembers_its_jobs_when_it_starts_again(page: Page, sandbox: Sandbox, jobs: dict[str, Seen]) -> None:
    assert sandbox.flower is not None
    sandbox.flower.stop()
    sandbox.flower.start()

    page.goto("/tasks")
    for seen in jobs.values():
        expect(cell(page, seen.job_id, "state")).to_have_text("SUCCESS")
        expect(cell(page, seen.job_id, "result")).to_have_text(headline(seen.result))
        expect(cell(page, seen.job_id, "worker")).to_have_text(re.compile(r"^worker[12]@."))
