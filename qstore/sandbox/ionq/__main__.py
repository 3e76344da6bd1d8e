"""`python -m qstore.sandbox.ionq`: the stand-in as a process of its own."""

from __future__ import annotations

import click

from qstore.sandbox.ionq.app import create_app
from qstore.sandbox.ionq.counters import Counters
from qstore.sandbox.ionq.fault import Fault
from qstore.sandbox.ionq.faults import KINDS, InvalidFaultError, read_fault
from qstore.sandbox.ionq.server import serve


def _kinds() -> str:
    """Every kind of fault, a line each, with the fields it has beside those of every fault."""
    lines = []
    for name, kind in KINDS.items():
        own = [field for field in kind.model_fields if field not in Fault.model_fields]
        what = (kind.__doc__ or "").partition("\n")[0]
        lines.append(f"  {name:<18} {what}" + (f" Takes {', '.join(own)}." if own else ""))
    return "\n".join(lines)


_FAULTS = f"""\b
A fault strikes once, or as its fields say:
  count=N            as often, at most
  probability=P      by chance, repeatably: seed=N
  seconds=S          for so long from now
  after=N            but the first so many requests are spared
It strikes every endpoint, or one: 'POST /jobs', 'GET /jobs/{{id}}' and so on.

\b
Kinds of faults:
{_kinds()}

\b
Examples:
  --fault drop
  --fault 'POST /jobs: error status=503 probability=0.2 seed=7'
  --fault '{{"kind": "child_failed", "positions": [0], "code": "TooManyGates"}}'

While it runs, POST to /sandbox/faults adds faults, GET tells of them, DELETE ends them all. /sandbox/stats and
/sandbox/ledger tell what was asked, accepted and bought. POST to /sandbox/characterizations has a machine, named in
the body, or all of them, characterized anew.
"""


@click.command(epilog=_FAULTS)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds each job takes.")
@click.option(
    "--api-key", "api_keys", multiple=True, envvar="IONQ_API_KEY", help="A key that is good; without any, all are."
)
@click.option("--page-size", default=25, show_default=True, help="Jobs in one page of a list.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests a second each key may make; one more is answered 429 with Retry-After.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="What is to go wrong, see below; may be given again.",
)
def main(
    host: str,
    port: int,
    latency: float,
    api_keys: tuple[str, ...],
    page_size: int,
    rate_limit: float | None,
    faults: tuple[str, ...],
) -> None:
    """Serve a stand-in for IonQ's API until SIGTERM or SIGINT."""
    counters = Counters()
    try:
        given = [read_fault(fault) for fault in faults]
        app = create_app(latency, api_keys, page_size, counters, given, rate_limit)
    except InvalidFaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    serve(app, counters, host, port)


if __name__ == "__main__":
    main()
