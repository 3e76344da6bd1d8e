"""The IonQ stand-in as a process of a test's own, and jobs to send it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from conditions import wait_until

KEY = "a-key-of-the-tests"
BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
FLIP = [{"gate": "x", "targets": [0]}]


@dataclass(frozen=True)
class StandIn:
    """One that runs."""

    process: subprocess.Popen[str]
    url: str
    http: httpx.Client
    sandbox: httpx.Client

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sandbox.get("/stats").raise_for_status().json()
        return found

    def submit(self, body: dict[str, Any]) -> str:
        answer = self.http.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/jobs/{job_id}").raise_for_status().json()
        return found

    def ended(self, job_id: str) -> dict[str, Any]:
        wait_until(lambda: self.job(job_id)["completed_at"], what="the end of the job")
        return self.job(job_id)

    def result(self, job_id: str, kind: str = "probabilities") -> Any:
        address = self.ended(job_id)["results"][kind]["url"]
        return self.http.get(address.removeprefix("/v0.4")).raise_for_status().json()


S = TypeVar("S", bound=StandIn)


def running(*arguments: str) -> AbstractContextManager[StandIn]:
    return running_as(StandIn, *arguments)


@contextmanager
def running_as(kind: type[S], *arguments: str) -> Iterator[S]:
    command = [sys.executable, "-m", "qstore.sandbox.ionq", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with (
                httpx.Client(base_url=url, headers={"Authorization": f"apiKey {KEY}"}, timeout=30) as http,
                httpx.Client(base_url=url.replace("/v0.4", "/sandbox"), timeout=30) as sandbox,
            ):
                yield kind(process, url, http, sandbox)
        finally:
            process.kill()


def single(circuit: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "input": {"gateset": "qis", "circuit": BELL if circuit is None else circuit},
        **fields,
    }


def multi(*circuits: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    children = [{"name": f"circuit {place}", "circuit": each} for place, each in enumerate(circuits)]
    return {
        "type": "ionq.multi-circuit.v1",
        "backend": "simulator",
        "input": {"gateset": "qis", "circuits": children},
        **fields,
    }


def program(text: str, **fields: Any) -> dict[str, Any]:
    source = f'OPENQASM 3.0; include "stdgates.inc"; {text}'
    return {"type": "ionq.qasm3.v1", "backend": "simulator", "input": {"data": source}, **fields}
