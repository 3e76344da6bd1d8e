"""Everything qstore needs, on one machine: Redis, PostgreSQL, the IonQ stand-in, workers and Flower.

All of it listens on loopback, writes into one data folder only, and is gone when the sandbox stops.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import site
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

import httpx

from qstore.sandbox.postgres import PostgresServer
from qstore.sandbox.process import HOST, Process, SandboxError, choose_ports, stop_all, wait_until_ready
from qstore.sandbox.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class WebServer(Process):
    """A process that is ready when one of its pages answers 200.

    Args:
        name: What messages call it.
        command: The program and its arguments.
        folder: Its current directory.
        env: Its environment.
        url: Where it serves.
        page: The page to ask for, such as `/healthcheck`.
        http: The client to ask with.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        *,
        url: str,
        page: str,
        http: httpx.Client,
    ) -> None:
        super().__init__(name, command, folder, env)
        self.url = url
        self._page = url + page
        self._http = http

    def ready(self) -> bool:
        """Whether the page answers."""
        try:
            return self._http.get(self._page).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


class Worker(Process):
    """A worker replica, ready when it says so: then it takes messages.

    Args:
        number: Tells replicas apart.
        folder: Its current directory.
        env: Its environment.
    """

    def __init__(self, number: int, folder: Path, env: Mapping[str, str]) -> None:
        name = f"worker{number}"
        node = ["-n", f"{name}@%h", "--loglevel", "INFO"]
        super().__init__(name, [*_CELERY, "worker", *node], folder, env)

    def ready(self) -> bool:
        """Whether its log says that it is ready; asking it over the broker would cost far more."""
        return bool(re.search(rf"{self.name}@\S+ ready\.", self.log.read_text("utf-8", "replace")))


class Sandbox:
    """All servers at once, started once; in a `with` statement, or by `start` and `stop`.

    Args:
        data: The only folder anything is written to. It is removed at the end if it was made here.
        workers: Number of worker replicas.
        latency: Seconds the stand-in takes over a job.
        redis_port: TCP port of Redis; None or 0 for a free one, here and below.
        postgres_port: TCP port of PostgreSQL.
        ionq_port: TCP port of the IonQ stand-in.
        flower_port: TCP port of Flower.
        postgres: Whether to run PostgreSQL.
        flower: Whether to run Flower.
        keep: Whether to leave the data folder in place.
        settings: Of producers and workers, as their environment names them: `QSTORE_LEASE`, ….
        appendfsync: When Redis has its file written to the disk, as it names it: `everysec`, `always`, `no`.
        faults: What goes wrong at the IonQ stand-in, as its command line takes them.

    Attributes:
        redis: The Redis server.
        postgres: The PostgreSQL server, or None.
        ionq: The IonQ stand-in.
        flower: Flower, or None.
        workers: The worker replicas.

    Raises:
        SandboxError: If a server is not installed, or a port is taken.
    """

    def __init__(
        self,
        data: Path,
        *,
        workers: int = 2,
        latency: float = 0.0,
        redis_port: int | None = None,
        postgres_port: int | None = None,
        ionq_port: int | None = None,
        flower_port: int | None = None,
        postgres: bool = True,
        flower: bool = True,
        keep: bool = False,
        settings: Mapping[str, str] | None = None,
        appendfsync: str = "everysec",
        faults: Sequence[str] = (),
    ) -> None:
        self.data = data.absolute()
        self._keep = keep
        self._settings = dict(settings or {})
        self._api_key = secrets.token_urlsafe(24)
        self._held = ExitStack()  # what is let go at the very end
        self._http = self._held.enter_context(httpx.Client(timeout=1.0, trust_env=False))  # loopback needs no proxy
        ports = choose_ports(redis_port, postgres_port, ionq_port, flower_port)

        self.redis = RedisServer(self.data / "redis", ports[0], appendfsync)
        self.postgres = PostgresServer(self.data / "postgres", ports[1]) if postgres else None
        self._ionq_url = f"http://{HOST}:{ports[2]}"
        self.ionq = self._web_server(
            "ionq",
            # the key is good for this stand-in only, so others may see it on the command line
            [
                *(*_IONQ, f"--host={HOST}", f"--port={ports[2]}", f"--latency={latency}"),
                *(f"--fault={fault}" for fault in faults),
            ],
            url=self._ionq_url,
            page="/sandbox/stats",
        )
        self.flower = (
            self._web_server(
                "flower",
                [
                    *(*_CELERY, "flower", f"--conf={_flower_config()}", f"--address={HOST}", f"--port={ports[3]}"),
                    *("--persistent=true", f"--db={self.data / 'flower' / 'events'}"),
                ],
                url=f"http://{HOST}:{ports[3]}",
                page="/healthcheck",
            )
            if flower
            else None
        )
        self._count = 0
        self.workers = [self._new_worker() for _ in range(workers)]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to find in its environment to use the sandbox."""
        pgvector = (
            {"QSTORE_VECTOR_STORE": "pgvector", "QSTORE_PGVECTOR_URL": self.postgres.url}
            if self.postgres
            else {"QSTORE_VECTOR_STORE": ""}
        )
        return {
            **pgvector,
            **self._settings,
            "QSTORE_REDIS_URL": self.redis.url,
            "QSTORE_IONQ_URL": f"{self._ionq_url}/v0.4",
            "IONQ_API_KEY": self._api_key,
        }

    @property
    def processes(self) -> list[Process]:
        """Every process, in the order of launching."""
        servers = [self.redis, self.ionq, *self.workers, self.flower, self.postgres]
        return [process for process in servers if process]

    def start(self, on_ready: Callable[[Process], None] = lambda _: None, timeout: float = 60.0) -> None:
        """Start everything, as much of it at once as can be; on any failure, stop what was started.

        Args:
            on_ready: Is told of each process as it gets ready.
            timeout: Seconds to wait for all of it.

        Raises:
            SandboxError: If something cannot start or is not ready in time.
        """
        try:
            self._hold_folder()
            self.redis.launch()
            self.ionq.launch()
            wait_until_ready([self.redis], timeout, on_ready)  # the others need it from their first second
            for process in self.processes[2:]:
                process.launch()
            wait_until_ready(self.processes[1:], timeout, on_ready)
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Do nothing while all processes run.

        Raises:
            SandboxError: If one has ended; says which, with the end of its log.
        """
        for process in self.processes:
            process.check()

    def stop(self) -> None:
        """Stop everything, those first that use others, and remove the data folder if it was made here."""
        users = [process for process in (*self.workers, self.flower) if process]
        stop_all(users)
        stop_all(process for process in self.processes if process not in users)
        self._held.close()

    def stats(self) -> dict[str, Any]:
        """What the IonQ stand-in has counted so far.

        Raises:
            httpx.HTTPError: If the stand-in does not answer.
        """
        answer = self._http.get(f"{self._ionq_url}/sandbox/stats").raise_for_status()
        stats: dict[str, Any] = answer.json()
        return stats

    def add_worker(self, timeout: float = 30.0, environment: Mapping[str, str] | None = None) -> Process:
        """Start one more replica and wait until it is ready.

        Args:
            timeout: Seconds to wait.
            environment: What it alone finds in its environment besides.

        Raises:
            SandboxError: If it does not get ready in time.
        """
        worker = self._new_worker(environment)
        self.workers.append(worker)
        worker.start(timeout)
        return worker

    def kill_worker(self, index: int = -1) -> None:
        """Let one replica die as in a power cut: it gets no chance to put anything in order.

        Args:
            index: Which of `workers`, from which it is taken.
        """
        self.workers.pop(index).kill()

    def _hold_folder(self) -> None:
        """Take the data folder for this sandbox alone, until the stop."""
        made_here = not self.data.exists()
        # Others may pass through but not look around: where PostgreSQL has to run as another user, it must get in.
        self.data.mkdir(parents=True, exist_ok=True, mode=0o711)
        lock = self._held.enter_context((self.data / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SandboxError(f"another sandbox uses {self.data}") from error
        if made_here and not self._keep:
            self._held.callback(_remove, self.data)
        for name in ("home", "tmp", "flower"):
            (self.data / name).mkdir(exist_ok=True)

    def _new_worker(self, environment: Mapping[str, str] | None = None) -> Worker:
        self._count += 1
        return Worker(self._count, self.data, {**self.child_environment, **(environment or {})})

    def _web_server(self, name: str, command: Sequence[str], *, url: str, page: str) -> WebServer:
        env = self.child_environment
        return WebServer(name, command, self.data, env, url=url, page=page, http=self._http)

    @property
    def child_environment(self) -> dict[str, str]:
        """The caller's environment, turned so that all is written into the data folder and nothing leaves loopback."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return {
            "QSTORE_REDIS_TIMEOUT": "5",  # seconds: here Redis is never away, but the machine may be busy
            **inherited,
            **self.environment,
            "HOME": str(self.data / "home"),
            "TMPDIR": str(self.data / "tmp"),
            "PYTHONUSERBASE": site.getuserbase(),  # what is installed for the user stays importable
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": f"{HOST},localhost",
            "FLOWER_UNAUTHENTICATED_API": "true",  # Flower is on loopback, and shows this sandbox only
        }


def _flower_config() -> str:
    """Where the workers keep Flower's configuration; they are found by name here, and not imported."""
    found = find_spec("workers.flowerconfig")
    if found is None or found.origin is None:
        raise SandboxError("no workers found: pip install qstore")
    return found.origin


def _remove(folder: Path) -> None:
    """Remove a folder, though a grandchild killed a moment ago may still be finishing a write in it."""
    deadline = time.monotonic() + _LAST_WRITES
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(_PAUSE)


_LAST_WRITES = 5.0  # seconds
_PAUSE = 0.05  # seconds between two tries
_IONQ = [sys.executable, "-m", "qstore.sandbox.ionq"]
_CELERY = [sys.executable, "-m", "celery", "-A", "workers"]
# What would have children write elsewhere, use other servers, or reach a paid service.
_NOT_INHERITED = ("XDG_", "MPLCONFIGDIR", "CELERY_", "FLOWER_", "PINECONE_", "IONQ_", "QISKIT_IONQ_", "no_proxy")
