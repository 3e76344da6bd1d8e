"""The commands that run servers: `qstore sandbox` all of them in the foreground, `qstore demo` a workload over them.

They import what they need when they run, so that `qstore --help` answers at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import click

from qstore.errors import QstoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qstore.sandbox.process import Process
    from qstore.sandbox.sandbox import Sandbox

_PORT = click.IntRange(0, 65535)
_WATCH = 0.5  # seconds between two looks at the sandbox's processes


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(0), help="Worker replicas.")
@click.option("--latency", default=0.0, type=click.FloatRange(0), help="Seconds the IonQ stand-in takes over a job.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="What goes wrong at the stand-in: 'POST /jobs: drop_after count=3'. "
    "`python -m qstore.sandbox.ionq --help` lists all; may be given again.",
)
@click.option("--redis-port", default=0, type=_PORT, help="0, as for every port: any free one.")
@click.option("--postgres-port", default=0, type=_PORT)
@click.option("--ionq-port", default=0, type=_PORT)
@click.option("--flower-port", default=0, type=_PORT)
@click.option("--env-file", type=click.Path(dir_okay=False, path_type=Path), help="Holds the exports while all is up.")
@click.option(
    "--data",
    default=".sandbox",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The only folder written to; removed at the end if it was not there before.",
)
def sandbox(env_file: Path | None, **options: Any) -> None:
    """Run Redis, PostgreSQL, an IonQ stand-in, workers and Flower until Ctrl-C."""
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring

    console = Console(highlight=False)
    running = _new_sandbox(options)
    if env_file:
        env_file.unlink(missing_ok=True)  # one left by a killed run would say that all is up
    with _stopping_cleanly(console):
        try:
            _start(running, console)
            with _exported(running.environment, env_file):
                _watch(running)
        finally:
            running.stop()


@click.command()
@click.option("--keep", is_flag=True, help="Leave it all running afterwards, until Ctrl-C.")
@click.option(
    "--data",
    default=".demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The only folder written to; the picture stays there.",
)
def demo(keep: bool, data: Path) -> None:
    """Push benchmark circuits through a sandbox from several processes at once, and check every count."""
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring

    console = Console(highlight=False)
    data.mkdir(parents=True, exist_ok=True)
    with _stopping_cleanly(console), TemporaryDirectory(dir=data) as scratch:
        # matplotlib keeps its list of fonts, and Qiskit that of its plugins, in the user's home
        os.environ.update(MPLCONFIGDIR=scratch, XDG_CACHE_HOME=scratch, XDG_CONFIG_HOME=scratch)
        running, run_demo = _new_demo(data / "sandbox")
        try:
            _start(running, console)
            run_demo(running, data, console)
            if keep:
                _watch(running)
        finally:
            running.stop()


def _new_demo(data: Path) -> tuple[Sandbox, Callable[[Sandbox, Path, Any], None]]:
    with _needing_the_extra():
        from qstore.sandbox.demo.run import LATENCY, run_demo  # noqa: PLC0415 - see the module's docstring

        return _new_sandbox({"data": data, "latency": LATENCY}), run_demo


def _new_sandbox(options: Mapping[str, Any]) -> Sandbox:
    with _needing_the_extra():
        from qstore.sandbox.sandbox import Sandbox  # noqa: PLC0415 - see the module's docstring

        return Sandbox(**options)


@contextmanager
def _needing_the_extra() -> Iterator[None]:
    """Say which extra to install where a module is missing, and what else keeps a sandbox from being built."""
    try:
        yield
    except ImportError as error:
        raise click.ClickException(f"the sandbox needs {error.name}: pip install 'qstore[sandbox]'") from error
    except QstoreError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _stopping_cleanly(console: Any) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block as a normal way out; an error of ours becomes one clear line."""
    try:
        with _interruptible():
            yield
    except KeyboardInterrupt:
        console.print("stopped")
    except QstoreError as error:
        raise click.ClickException(str(error)) from error


def _start(running: Sandbox, console: Any) -> None:
    began = time.monotonic()

    def say(process: Process) -> None:
        address = urlsplit(process.url).netloc.rpartition("@")[2]  # PostgreSQL's has a password before it
        console.print(f"[green]✓[/] {process.name:<9} {time.monotonic() - began:4.1f} s  {address}".rstrip())

    with console.status("starting …"):
        running.start(on_ready=say)


def _watch(running: Sandbox) -> NoReturn:
    """Look after the processes until the user interrupts, or one of them ends."""
    click.echo(f"\n{_exports(running.environment)}")
    if running.flower:
        click.echo(f"Flower: {running.flower.url}")
    click.echo("Ctrl-C stops it all.")
    while True:
        running.check()
        time.sleep(_WATCH)


def _exports(environment: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


@contextmanager
def _exported(environment: Mapping[str, str], env_file: Path | None) -> Iterator[None]:
    """Keep the exports in a file, if one is wanted: complete from its first moment, and the owner's alone."""
    if env_file is None:
        yield
        return
    part = env_file.with_name(f".{env_file.name}.{os.getpid()}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - Path.open takes no mode bits
            file.write(_exports(environment))
        part.replace(env_file)
        yield
    finally:
        part.unlink(missing_ok=True)
        env_file.unlink(missing_ok=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt, and ignore later ones: stopping is under way."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_: object) -> NoReturn:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
