"""The embedded PostgreSQL: pgvector, a password, loopback only, no trace outside its folder."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from qstore.sandbox.postgres import PostgresServer
from qstore.sandbox.process import HOST, SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as running:
        yield running


def ask(server: PostgresServer, question: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row
    return row[0]


def test_vectors_are_compared(server: PostgresServer) -> None:
    assert ask(server, "SELECT '[3,0]'::vector <-> '[0,4]'::vector") == 5.0


def test_nobody_gets_in_without_the_password(server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://qstore:guess@{HOST}:{server.port}/postgres")


def test_postgres_listens_on_loopback_and_on_no_unix_socket(server: PostgresServer) -> None:
    connections = psutil.Process(server.pid).net_connections("all")

    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {HOST}
    assert ask(server, "SHOW unix_socket_directories") == ""


def test_shared_memory_is_kept_in_the_folder(server: PostgresServer) -> None:
    assert ask(server, "SHOW dynamic_shared_memory_type") == "mmap"


def test_the_host_has_no_say_in_time_zone_and_collation(server: PostgresServer) -> None:
    assert ask(server, "SHOW TimeZone") == "UTC"
    assert ask(server, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(server, "SHOW server_encoding") == "UTF8"


def test_rows_written_before_a_restart_are_there_after_it_under_the_same_password(tmp_path: Path) -> None:
    with PostgresServer(tmp_path) as first, psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE circuits AS SELECT 'bell' AS name")

    with PostgresServer(tmp_path) as second:
        assert ask(second, "SELECT name FROM circuits") == "bell"
        assert (tmp_path / "password").read_text() in second.url


def test_the_password_file_is_the_owners_alone(server: PostgresServer) -> None:
    assert (server.folder / "password").stat().st_mode & 0o077 == 0


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "cluster.unfinished").mkdir()
    (tmp_path / "cluster.unfinished" / "PG_VERSION").write_text("18\n")

    with PostgresServer(tmp_path) as server:
        assert server.ready()


def test_a_broken_cluster_shows_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir(mode=0o700)
    (tmp_path / "password").write_text("unused")

    with pytest.raises(SandboxError, match=r"(?s)postgres ended by itself.*postgresql\.conf"):
        PostgresServer(tmp_path).start()


def test_a_killed_server_leaves_no_process_behind_and_recovers(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    server.start()
    family = psutil.Process(server.pid).children(recursive=True)
    assert family

    server.kill()

    _, left = psutil.wait_procs(family, timeout=10)
    assert not left
    with server:  # which also clears away the shared memory of the one that was killed
        assert ask(server, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be somebody else")
def test_where_namespaces_are_not_permitted_root_runs_it_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Path(tempfile.mkdtemp())  # pytest's own folders let nobody but their owner pass
    try:
        tools.chmod(0o711)
        setpriv = shutil.which("setpriv")
        if setpriv:
            (tools / "setpriv").symlink_to(setpriv)
        monkeypatch.setenv("PATH", str(tools))  # without unshare

        with PostgresServer(tools / "data") as server:
            assert psutil.Process(server.pid).username() == pwd.getpwuid(pwd.getpwnam("nobody").pw_uid).pw_name
            assert ask(server, "SELECT '[1]'::vector <-> '[3]'::vector") == 2.0
    finally:
        shutil.rmtree(tools)
