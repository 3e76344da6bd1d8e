"""A server that takes every job and knows none, for tests of what reaches it and over how many connections."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

LONG = 30.0  # seconds; no answer is held back that long unless a test fails


class Server:
    """Counts connections, whole requests, and how many of those were under way at once.

    Attributes:
        connections: Every one there was.
        requests: By method.
        busy: Requests that wait for an answer.
        busiest: The most there were.
        answering: Cleared, it holds answers back.
        hangs_up: Whether it closes the connection in place of an answer.
    """

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self.requests: Counter[str] = Counter()
        self.busy = 0
        self.busiest = 0
        self.answering = threading.Event()
        self.answering.set()
        self.hangs_up = False
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if len(self.rfile.read(length)) < length:  # broken off
                    self.close_connection = True
                    return
                with outer._lock:
                    outer.requests[self.command] += 1
                    outer.busy += 1
                    outer.busiest = max(outer.busiest, outer.busy)
                assert outer.answering.wait(LONG)
                with outer._lock:
                    outer.busy -= 1
                if outer.hangs_up:
                    self.close_connection = True
                    return
                body = json.dumps({"id": "a-job", "jobs": []}).encode()
                self.send_response(201 if self.command == "POST" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v0.4"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

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
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
