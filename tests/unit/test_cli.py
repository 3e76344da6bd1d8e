"""The command line, with stand-ins for what lies behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import click
import pytest
from celery.exceptions import TimeoutError as CeleryTimeoutError
from click.testing import CliRunner, Result

import qstore.door
from qstore.cli import main
from qstore.errors import InvalidShotsError, StoreUnavailableError
from qstore.sandbox.process import SandboxError
from qstore.state.tally import Tallied

BELL = "OPENQASM 2.0; // a pair"


class FakeTask:
    """Answers like `submit_circuit`, and remembers how it was called."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.id = "7b0f"
        self.answer = answer
        self.asked: tuple[Any, ...] = ()

    def delay(self, circuit: str, **options: Any) -> Self:
        self.asked = (circuit, options)
        return self

    def get(self, timeout: float) -> dict[str, Any]:
        self.asked = (*self.asked, timeout)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def result(counts: dict[str, int]) -> dict[str, Any]:
    return {"counts": counts, "shots": sum(counts.values()), "backend": "simulator", "source": "executed"}


def submit(monkeypatch: pytest.MonkeyPatch, task: FakeTask, *arguments: str) -> Result:
    monkeypatch.setitem(qstore.__dict__, "submit_circuit", task)
    return CliRunner().invoke(main, ["submit", "-", *arguments], input=BELL)


def test_submit_passes_the_text_and_the_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    task = FakeTask(result({"00": 7}))

    done = submit(monkeypatch, task, "--shots", "7", "--noise-model", "aria-1", "--timeout", "3")

    assert done.exit_code == 0, done.output
    options = {"shots": 7, "backend": "simulator", "noise_model": "aria-1", "name": None}
    assert task.asked == (BELL, options, 3.0)


def test_submit_reads_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task = FakeTask(result({"0": 1}))
    monkeypatch.setitem(qstore.__dict__, "submit_circuit", task)
    (tmp_path / "bell.qasm").write_text(BELL)

    CliRunner().invoke(main, ["submit", str(tmp_path / "bell.qasm")], catch_exceptions=False)

    assert task.asked[0] == BELL
    assert task.asked[1]["name"] == "bell"


def test_submit_shows_a_histogram_with_the_most_frequent_outcome_first(monkeypatch: pytest.MonkeyPatch) -> None:
    done = submit(monkeypatch, FakeTask(result({"01": 10, "00": 300, "11": 690})))

    title, *rows = done.output.strip().splitlines()
    assert title.strip() == "1000 shots on simulator, executed"
    assert [row.split()[:2] for row in rows] == [["11", "690"], ["00", "300"], ["01", "10"]]
    lengths = [row.count("█") for row in rows]
    assert lengths[0] == 40
    assert lengths[1] == 300 * 40 // 690
    assert lengths[2] == 0


def test_submit_says_how_many_outcomes_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    done = submit(monkeypatch, FakeTask(result({f"{outcome:05b}": 32 - outcome for outcome in range(32)})))

    assert "01111" in done.output
    assert "10000" not in done.output
    assert "and 16 rarer outcomes" in done.output


def test_submit_prints_the_whole_result_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = result({"00": 507, "11": 493})

    done = submit(monkeypatch, FakeTask(expected), "--json")

    assert json.loads(done.output) == expected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidShotsError("shots must be\n  at least 1"), "Error: shots must be at least 1\n"),
        (CeleryTimeoutError("The operation timed out."), "Error: no counts within 2 s; job 7b0f goes on\n"),
    ],
)
def test_submit_tells_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, line: str) -> None:
    done = submit(monkeypatch, FakeTask(error), "--timeout", "2")

    assert done.exit_code == 1
    assert done.output == line


class FakeSandbox:
    """A sandbox without servers: it reports `trouble` when it is looked after."""

    def __init__(self, trouble: BaseException) -> None:
        self.trouble = trouble
        self.flower = None
        self.environment = {"QSTORE_REDIS_URL": "redis://127.0.0.1/0", "IONQ_API_KEY": "it's $HOME"}
        self.events: list[str] = []
        self.env_file: Path | None = None

    def __call__(self, **options: Any) -> Self:
        self.events.append(f"workers={options['workers']}")
        return self

    def start(self, on_ready: object) -> None:
        assert on_ready
        self.events.append("started")
        assert self.env_file is None or not self.env_file.exists()

    def check(self) -> None:
        if self.env_file:
            shown = subprocess.run(
                ["sh", "-c", '. "$0"; printf %s "$IONQ_API_KEY"', self.env_file], capture_output=True, check=True
            )
            self.events.append(f"{shown.stdout.decode()} {self.env_file.stat().st_mode & 0o777:o}")
        raise self.trouble

    def stop(self) -> None:
        self.events.append("stopped")
        assert self.env_file is None or not self.env_file.exists()


def run_sandbox(monkeypatch: pytest.MonkeyPatch, fake: FakeSandbox, *arguments: str) -> Result:
    monkeypatch.setattr("qstore.sandbox.sandbox.Sandbox", fake)
    return CliRunner().invoke(main, ["sandbox", *arguments])


def test_the_sandbox_stops_and_fails_when_a_process_of_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSandbox(SandboxError("redis ended by itself, exit code 1\n  out of memory"))

    done = run_sandbox(monkeypatch, fake, "--workers", "3")

    assert done.exit_code == 1
    assert "Error: redis ended by itself, exit code 1\n  out of memory" in done.output
    assert fake.events == ["workers=3", "started", "stopped"]


def test_the_sandbox_stops_without_an_error_on_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_sandbox(monkeypatch, fake := FakeSandbox(KeyboardInterrupt()))

    assert done.exit_code == 0
    assert fake.events[-1] == "stopped"


def test_signals_count_as_ctrl_c_once_and_are_ignored_while_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    class Signaled(FakeSandbox):
        def check(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().check()

        def stop(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().stop()

    fake = Signaled(AssertionError("the signal did not arrive"))
    before = signal.getsignal(signal.SIGTERM)

    done = run_sandbox(monkeypatch, fake)

    assert done.exit_code == 0, done.output
    assert fake.events[-1] == "stopped"
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_environment_is_printed_for_a_shell_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_sandbox(monkeypatch, FakeSandbox(KeyboardInterrupt()))

    lines = [line for line in done.output.splitlines() if line.startswith("export ")]
    assert lines == ["export QSTORE_REDIS_URL=redis://127.0.0.1/0", """export IONQ_API_KEY='it'"'"'s $HOME'"""]


def test_the_env_file_is_there_only_while_all_is_up_and_only_for_its_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeSandbox(KeyboardInterrupt())
    fake.env_file = tmp_path / "env"
    fake.env_file.write_text("left behind by a run that was killed")

    done = run_sandbox(monkeypatch, fake, "--env-file", str(fake.env_file))

    assert done.exit_code == 0, done.output
    assert fake.events == ["workers=2", "started", "it's $HOME 600", "stopped"]
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_sandbox_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qstore.sandbox.sandbox", "qstore.sandbox.postgres"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    done = CliRunner().invoke(main, ["sandbox"])

    assert done.exit_code == 1
    assert done.output == "Error: the sandbox needs psycopg: pip install 'qstore[sandbox]'\n"


def test_every_command_explains_itself() -> None:
    for name, command in main.commands.items():
        done = CliRunner().invoke(main, [name, "--help"])

        assert done.exit_code == 0
        assert isinstance(command, click.Command)
        assert command.help


def test_asking_for_help_loads_neither_celery_nor_qiskit() -> None:
    code = "import sys, qstore.cli; print(sorted({'celery', 'qiskit', 'redis', 'rich', 'httpx'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# -- status, cancel and cache -----------------------------------------------------------------------------------------


STATUS = {"job_id": "7b0f", "state": "QUEUED", "position": 3, "batch": None, "error": None}


def test_status_says_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(qstore.__dict__, "status", lambda job: {**STATUS, "job_id": job})
    rows = [line.split() for line in CliRunner().invoke(main, ["status", "7b0f"]).output.splitlines() if line.strip()]
    assert rows == [["job", "id", "7b0f"], ["state", "QUEUED"], ["position", "3"]]
    assert json.loads(CliRunner().invoke(main, ["status", "7b0f", "--json"]).output) == STATUS


def test_cancel_says_what_became_of_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(qstore.__dict__, "cancel", lambda *jobs: [job == "waits" for job in jobs])
    done = CliRunner().invoke(main, ["cancel", "waits", "done"])
    assert done.output.splitlines() == ["waits canceled", "done does not wait (any more)"]
    assert done.exit_code == 1
    assert CliRunner().invoke(main, ["cancel", "waits"]).exit_code == 0


TALLIED = Tallied(
    hits=1500,
    joins=300,
    misses=200,
    recalls=100,
    evictions=7,
    saved_usd=1234.5,
    results=41,
    result_bytes=23_456,
    circuit_hits=1,
    circuit_misses=3,
    circuit_evictions=2,
    circuits=5,
    circuit_bytes=6789,
)


def asked_for_the_caches(monkeypatch: pytest.MonkeyPatch, tallied: Tallied, *options: str) -> str:
    class Kept:
        class tally:  # noqa: N801 - stands for an object
            @staticmethod
            def read() -> Tallied:
                return tallied

    monkeypatch.setattr(qstore.door, "door", lambda: Kept)
    return CliRunner().invoke(main, ["cache", *options], catch_exceptions=False).output


def test_cache_says_what_it_was_good_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [line.split() for line in asked_for_the_caches(monkeypatch, TALLIED).splitlines() if line.strip()]
    assert rows == [
        ["results", "circuits"],
        ["hits", "1,500", "1"],
        ["joins", "300"],
        ["recalls", "100"],
        ["misses", "200", "3"],
        ["hit", "rate", "95.0%", "25.0%"],
        ["evictions", "7", "2"],
        ["stored", "41", "5"],
        ["bytes", "23,456", "6,789"],
        ["money", "saved", "1,234.50", "USD"],
    ]
    assert json.loads(asked_for_the_caches(monkeypatch, TALLIED, "--json"))["result_bytes"] == 23_456


def test_a_cache_nobody_has_used_has_no_hit_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Tallied(**{**asdict(TALLIED), **dict.fromkeys(("hits", "joins", "misses"), 0)})
    assert ["hit", "rate", "25.0%"] in [line.split() for line in asked_for_the_caches(monkeypatch, fresh).splitlines()]


@pytest.mark.parametrize("command", ["status", "cancel"])
def test_without_redis_they_say_so_in_one_line(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def fail(*_: str) -> None:
        raise StoreUnavailableError("Redis does not serve\nthe shared state.")

    monkeypatch.setitem(qstore.__dict__, command, fail)
    done = CliRunner().invoke(main, [command, "7b0f"])
    assert done.output.splitlines() == ["Error: Redis does not serve the shared state."]
    assert done.exit_code == 1
