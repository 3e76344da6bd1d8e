"""The Pinecone stand-in as a process of a test's own, and the store that talks to it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from workers.vectors.pinecone import PineconeStore

KEY = "pcsk_a-key-of-the-tests"
LAG = 0.01


@dataclass(frozen=True)
class PineconeServer:
    """One that runs."""

    url: str
    sandbox: httpx.Client

    def store(self, timeout: float = 10.0, max_size: int = 4, key: str = KEY) -> PineconeStore:
        """A store of its own, to be closed."""
        return PineconeStore(key, self.url, cloud="aws", region="us-east-1", timeout=timeout, max_size=max_size)

    def fail(self, kind: str, endpoint: str = "*", **fields: Any) -> None:
        """Let something go wrong, once where nothing else is said."""
        self.sandbox.post("/faults", json={"kind": kind, "endpoint": endpoint, **fields}).raise_for_status()

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.sandbox.delete("/faults").raise_for_status()

    def connections(self) -> int:
        """How many connections requests came over."""
        return int(self.sandbox.get("/stats").raise_for_status().json()["connections"])

    def asked(self, endpoint: str) -> int:
        """How often an endpoint was asked."""
        return int(self.sandbox.get("/stats").raise_for_status().json()["requests"].get(endpoint, 0))


@contextmanager
def running(lag: float = LAG, startup: float = 0.0) -> Iterator[PineconeServer]:
    """A stand-in; meanwhile no client here loads certificates, which takes longer than a test."""
    command = [
        sys.executable, "-m", "qstore.sandbox.pinecone", "--api-key", KEY, f"--lag={lag}", f"--startup={startup}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with (
                tempfile.TemporaryDirectory() as no_certificates,
                pytest.MonkeyPatch.context() as environment,
                httpx.Client(base_url=f"{url}/sandbox", timeout=30) as sandbox,
            ):
                environment.delenv("SSL_CERT_FILE", raising=False)
                environment.setenv("SSL_CERT_DIR", no_certificates)
                yield PineconeServer(url, sandbox)
        finally:
            process.kill()
