"""docker-compose.yml and Dockerfile, as far as they can be tried without Docker: each command really runs."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import redis
import yaml

from conditions import free_port, wait_until
from qstore.sandbox.postgres import PostgresServer
from qstore.sandbox.process import HOST, Process
from qstore.sandbox.redis import RedisServer
from workers import flowerconfig

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BIN = Path(sysconfig.get_path("scripts"))
CONF = Path(flowerconfig.__file__)
SECRETS = {"IONQ_API_KEY": "a-key", "POSTGRES_PASSWORD": "p@ss/word", "FLOWER_BASIC_AUTH": "operator:secret"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("broker")) as server:
        yield server


def substitute(text: str, variables: dict[str, str]) -> str:
    """Fill in `${NAME:-default}` and `${NAME:?message}` as compose does."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if name in variables:
            return variables[name]
        assert kind == ":-", rest
        return str(rest)

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


def environment(service: dict[str, Any], **instead: str) -> dict[str, str]:
    """A service's environment, with what only exists between containers replaced."""
    filled = {name: substitute(value, SECRETS) for name, value in service["environment"].items()}
    assert instead.keys() <= filled.keys()
    return {"PATH": f"{BIN}:{os.defpath}", **filled, **instead}


def test_the_file_keeps_to_the_compose_specification() -> None:
    command = [f"{BIN}/check-jsonschema", "--builtin-schema", "vendor.compose-spec", f"{ROOT}/docker-compose.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"[a-z/]+:(?!latest)[\w.-]+", each["image"]) for each in compose["services"].values())


def test_every_volume_and_config_and_service_that_is_named_is_there_and_used(compose: dict[str, Any]) -> None:
    services = compose["services"].values()

    mounted = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    configs = {config["source"] for service in services for config in service.get("configs", [])}
    awaited = {name for service in services for name in service.get("depends_on", {})}

    assert mounted == compose["volumes"].keys()
    assert configs == compose["configs"].keys()
    assert all("healthcheck" in compose["services"][name] for name in awaited)


def test_secrets_come_from_the_environment_and_are_required(compose: dict[str, Any]) -> None:
    for name in SECRETS:
        without = {key: value for key, value in SECRETS.items() if key != name}
        text = yaml.safe_dump(compose["services"])
        with pytest.raises(AssertionError, match=f"set {name}"):
            substitute(text, without)


def test_only_workers_get_ionqs_key(compose: dict[str, Any]) -> None:
    holders = {name for name, service in compose["services"].items() if "IONQ_API_KEY" in yaml.safe_dump(service)}

    assert holders == {"worker"}


def test_workers_can_be_scaled(compose: dict[str, Any]) -> None:
    assert not compose["services"]["worker"].keys() & {"container_name", "ports", "hostname"}


def test_redis_runs_as_the_file_says_and_its_health_check_tells_whether_it_answers(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    service = compose["services"]["redis"]
    port = str(free_port())
    program, *arguments = service["command"]
    [shell, check] = service["healthcheck"]["test"]
    assert shell == "CMD-SHELL"

    def healthy() -> bool:
        command = ["sh", "-c", check.replace("redis-cli", f"{BIN}/redis-cli -p {port}")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert not healthy()
    with Process("redis", [str(BIN / program), *arguments, "--port", port, "--bind", HOST], tmp_path):
        wait_until(healthy, within=10, what="redis")
        with redis.Redis(port=int(port), decode_responses=True) as client:
            settings = client.config_get("*")

    assert (settings["appendonly"], settings["maxmemory-policy"], settings["save"]) == ("yes", "noeviction", "")


def test_a_worker_runs_as_the_file_says(compose: dict[str, Any], broker: RedisServer, tmp_path: Path) -> None:
    service = compose["services"]["worker"]
    env = environment(service, QSTORE_REDIS_URL=broker.url, QSTORE_IONQ_URL=f"http://{HOST}:{free_port()}/v0.4")

    with Process("worker", service["command"], tmp_path, env) as worker:

        def ready() -> bool:
            worker.check()
            return bool(re.search(r"@\S+ ready\.", worker.log.read_text()))

        wait_until(ready, within=30, what="the worker")
        assert SECRETS["IONQ_API_KEY"] not in worker.log.read_text()


def test_flower_runs_as_the_file_says_asks_for_a_password_and_keeps_what_it_saw(
    compose: dict[str, Any], broker: RedisServer, tmp_path: Path
) -> None:
    service = compose["services"]["flower"]
    port = str(free_port())
    events = tmp_path / "events"
    env = environment(
        service,
        QSTORE_REDIS_URL=broker.url,
        FLOWER_CONF=str(CONF),
        FLOWER_ADDRESS=HOST,
        FLOWER_PORT=port,
        FLOWER_DB=str(events),
    )
    [_, program, *arguments] = service["healthcheck"]["test"]
    check = [str(BIN / program), *(argument.replace("5555", port) for argument in arguments)]
    url = f"http://{HOST}:{port}/tasks"

    with Process("flower", service["command"], tmp_path, env) as flower:

        def healthy() -> bool:
            flower.check()
            return subprocess.run(check, capture_output=True, check=False).returncode == 0

        wait_until(healthy, within=30, what="Flower")
        credentials = base64.b64encode(SECRETS["FLOWER_BASIC_AUTH"].encode()).decode()
        assert httpx.get(url, trust_env=False).status_code == 401
        answer = httpx.get(url, trust_env=False, headers={"Authorization": f"Basic {credentials}"})
        assert answer.status_code == 200
        columns = re.findall(r'data-column="(\w+)"', answer.text)
        assert columns == flowerconfig.tasks_columns.split(",")
        # open to anyone who reaches the port, which is why that is on loopback
        assert httpx.get(url.replace("/tasks", "/metrics"), trust_env=False).status_code == 200

    assert list(tmp_path.glob("events*"))


def test_postgres_gets_its_extension_and_its_health_check_tells_whether_it_answers(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    service = compose["services"]["postgres"]
    [configured] = service["configs"]
    [_, program, *arguments] = service["healthcheck"]["test"]

    with PostgresServer(tmp_path / "postgres") as server:
        check = [str(server._bin / program), *arguments, "-p", str(server.port)]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("DROP EXTENSION IF EXISTS vector")
            connection.execute(compose["configs"][configured["source"]]["content"])
            found = connection.execute("SELECT '[1,2]'::vector <-> '[1,4]'::vector").fetchone()

    assert found == (2.0,)
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_flowers_data_is_on_the_volume_the_image_gives_to_its_user(compose: dict[str, Any]) -> None:
    service = compose["services"]["flower"]
    [volume] = service["volumes"]
    folder = volume.split(":")[1]
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert Path(service["environment"]["FLOWER_DB"]).parent == Path(folder)
    assert re.search(rf"install --directory --owner=qstore --group=qstore {folder}$", dockerfile, re.MULTILINE)


def test_flowers_configuration_is_where_the_image_has_it(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [python] = set(re.findall(r"^FROM python:(\d+\.\d+)-", dockerfile, re.MULTILINE))
    [place] = re.findall(r"python -m venv (\S+)$", dockerfile, re.MULTILINE)

    conf = compose["services"]["flower"]["environment"]["FLOWER_CONF"]

    assert conf == f"{place}/lib/python{python}/site-packages/{CONF.relative_to(ROOT)}"


def test_flower_is_published_on_loopback_unless_told_otherwise(compose: dict[str, Any]) -> None:
    [port] = compose["services"]["flower"]["ports"]

    assert substitute(port, {}) == "127.0.0.1:5555:5555"
    assert substitute(port, {"FLOWER_BIND": "0.0.0.0:80"}) == "0.0.0.0:80:5555"


def test_the_images_own_command_is_the_workers() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

    assert f"CMD {str(compose['services']['worker']['command']).replace(chr(39), chr(34))}" in dockerfile


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_image_is_built_from_what_dockerignore_lets_through() -> None:
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }

    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)
