"""`python -m qstore.sandbox.ionq`: the stand-in as a process of its own."""

from __future__ import annotations

import click

from qstore.sandbox.ionq.app import create_app
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds each job takes.")
@click.option(
    "--api-key", "api_keys", multiple=True, envvar="IONQ_API_KEY", help="A key that is good; without any, all are."
)
@click.option("--page-size", default=25, show_default=True, help="Jobs in one page of a list.")
def main(host: str, port: int, latency: float, api_keys: tuple[str, ...], page_size: int) -> None:
    """Serve a stand-in for IonQ's API until SIGTERM or SIGINT."""
    counters = Counters()
    serve(create_app(latency, api_keys, page_size, counters=counters), counters, host, port)


if __name__ == "__main__":
    main()
