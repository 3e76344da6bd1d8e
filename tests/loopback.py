"""A server on loopback that answers as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Response = tuple[int, Mapping[str, str], bytes]  # status, headers, body


class Loopback:
    """Serves until closed.

    Attributes:
        url: Where, with IonQ's version.
        port: TCP port.
        connections: Every one there was.
    """

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                whole = len(body) == length  # else it was broken off
                response = outer.respond(self.command, self.path, body) if whole else None
                if response is None:
                    self.close_connection = True
                    return
                status, headers, said = response
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                with suppress(ConnectionError):  # who asked does not wait any more
                    self.end_headers()
                    self.wfile.write(said)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v0.4"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def respond(self, method: str, path: str, body: bytes) -> Response | None:
        """What a whole request is answered; None closes the connection in place of an answer."""
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
