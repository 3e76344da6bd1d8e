"""`python -m qstore.sandbox.pinecone`: the stand-in as a process of its own."""

from __future__ import annotations

import click

from qstore.sandbox.pinecone.app import create_app
from qstore.sandbox.pinecone.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of loopback to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--lag", default=0.0, show_default=True, help="Seconds after which a write shows.")
@click.option("--startup", default=0.1, show_default=True, help="Seconds after which a new index is ready.")
@click.option("--api-key", envvar="PINECONE_API_KEY", help="The key that is good; without one, any is.")
def main(host: str, port: int, lag: float, startup: float, api_key: str | None) -> None:
    """Serve a stand-in for Pinecone until SIGTERM or SIGINT.

    While it runs, POST to /sandbox/faults lets something go wrong, as {"kind": "error", "endpoint":
    "POST /vectors/upsert", "status": 429, "retry_after": 7, "count": 2}, {"kind": "stall"} or {"kind": "drop"}; GET
    tells what is left of it, DELETE ends it. /sandbox/stats tells how often each endpoint was asked.
    """
    try:
        serve(create_app(api_key or None, lag, startup), host, port)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--host") from None


if __name__ == "__main__":
    main()
