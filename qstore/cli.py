"""The command line: `qstore submit` runs one circuit, `qstore health` says whether all is well, and so on.

Commands import what they need when they run, so that `qstore --help` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click

from qstore.errors import QstoreError
from qstore.sandbox.commands import demo, sandbox

_WIDTH = 120  # columns of a wide table that no terminal shows


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qstore")
def main() -> None:
    """A distributed job queue for quantum circuits."""


main.add_command(sandbox)
main.add_command(demo)


@main.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--shots", default=1000, show_default=True, type=int, help="Number of shots.")
@click.option("--backend", default="simulator", show_default=True, help="IonQ's backend name.")
@click.option("--noise-model", help="Of the simulator, such as aria-1; ideal by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds to wait.")
def submit(file: TextIO, shots: int, backend: str, noise_model: str | None, as_json: bool, timeout: float) -> None:
    """Run the OpenQASM circuit in FILE (`-`: standard input) and print its counts."""
    from celery.exceptions import TimeoutError  # noqa: A004, PLC0415 - see the module's docstring
    from rich.console import Console  # noqa: PLC0415 - as above

    from qstore import submit_circuit  # noqa: PLC0415 - as above
    from qstore.tables import histogram  # noqa: PLC0415 - as above

    with _one_line_errors():
        name = None if file.name == "<stdin>" else Path(file.name).stem
        job = submit_circuit.delay(file.read(), shots=shots, backend=backend, noise_model=noise_model, name=name)
        try:
            result = job.get(timeout=timeout)
        except TimeoutError:
            raise click.ClickException(f"no counts within {timeout:g} s; job {job.id} goes on") from None
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console(highlight=False).print(histogram(result))


@main.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(job: str, as_json: bool) -> None:
    """Say how far JOB is, by its id."""
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring
    from rich.table import Table  # noqa: PLC0415 - as above

    with _one_line_errors():
        from qstore import status as look  # noqa: PLC0415 - as above

        found = look(job)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = Table(box=None, show_header=False)
    for name, value in found.items():
        if value is not None:
            table.add_row(name.replace("_", " "), str(value))
    Console(highlight=False).print(table)


@main.command()
@click.argument("jobs", nargs=-1, required=True)
def cancel(jobs: tuple[str, ...]) -> None:
    """End JOBS, by their ids, that have no counts yet."""
    with _one_line_errors():
        from qstore import cancel as end  # noqa: PLC0415 - see the module's docstring

        ended = end(*jobs)
    for job, done in zip(jobs, ended, strict=True):
        click.echo(f"{job} {'canceled' if done else 'does not wait (any more)'}")
    if not all(ended):
        raise click.exceptions.Exit(1)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def cache(as_json: bool) -> None:
    """Say what is stored for later askers, results and compiled circuits, and what that was good for."""
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring

    with _one_line_errors():
        from qstore.door import door  # noqa: PLC0415 - as above
        from qstore.tables import tally  # noqa: PLC0415 - as above

        tallied = door().tally.read()
    if as_json:
        click.echo(json.dumps(asdict(tallied), indent=2))
    else:
        Console(highlight=False).print(tally(tallied))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--timeout",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 10, min_open=True),
    help="Seconds that a part of a replica may take to answer.",
)
def health(as_json: bool, timeout: float) -> None:
    """Say whether Redis is well, and all that the replicas work with; fail where anything is not."""
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring

    with _one_line_errors():
        from qstore.app import app, settings  # noqa: PLC0415 - as above
        from qstore.health import survey  # noqa: PLC0415 - as above
        from qstore.state.connection import Connection  # noqa: PLC0415 - as above
        from qstore.tables import well  # noqa: PLC0415 - as above

        found = survey(app, Connection(settings.redis_url, settings.redis_timeout), timeout)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found["replicas"]:
        console = Console(highlight=False)
        console.width = console.width if console.is_terminal else _WIDTH
        console.print(well(found))
    if found["problems"]:
        raise click.ClickException("; ".join(found["problems"]))


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Whatever Redis, Celery or qstore raises becomes one clear line."""
    from celery.exceptions import CeleryError  # noqa: PLC0415 - see the module's docstring
    from redis import RedisError  # noqa: PLC0415 - as above

    try:
        yield
    except (QstoreError, CeleryError, RedisError) as error:
        message = " ".join(str(error).split())
        raise click.ClickException(message or type(error).__name__) from error


if __name__ == "__main__":
    main()
