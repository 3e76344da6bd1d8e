"""A server that takes every job and knows none, for tests of what reaches it and over how many connections."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from contextlib import suppress

import psutil

from loopback import Loopback, Response

LONG = 30.0  # seconds; no answer is held back that long unless a test fails


class Server(Loopback):
    """Counts connections, whole requests, and how many of those were under way at once.

    Attributes:
        requests: By method.
        busy: Requests that wait for an answer.
        busiest: The most there were.
        answering: Cleared, it holds answers back.
        hangs_up: Whether it closes the connection in place of an answer.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.busy = 0
        self.busiest = 0
        self.answering = threading.Event()
        self.answering.set()
        self.hangs_up = False
        self._lock = threading.Lock()
        super().__init__()

    def respond(self, method: str, path: str, body: bytes) -> Response | None:  # noqa: ARG002 - as the base has it
        with self._lock:
            self.requests[method] += 1
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        assert self.answering.wait(LONG)
        with self._lock:
            self.busy -= 1
        if self.hangs_up:
            return None
        return 201 if method == "POST" else 200, {}, json.dumps({"id": "a-job", "jobs": []}).encode()

    def cut_off(self) -> None:
        """Close every connection, as a server does with those idle for long."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def seen_from_here(self) -> Counter[str]:
        """States of this process's connections to the server."""
        ours = psutil.Process().net_connections("tcp4")
        return Counter(each.status for each in ours if each.raddr and each.raddr.port == self.port)

    def close(self) -> None:
        self.answering.set()
        self.cut_off()
        super().close()
