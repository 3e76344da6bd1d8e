"""What the IonQ stand-in says it sold."""

from __future__ import annotations

from collections.abc import Callable

from qstore.sandbox.sandbox import Sandbox

Bought = Callable[[], dict[str, int]]


def counted(sandbox: Sandbox) -> Bought:
    """A function that tells what was sold from now on."""

    def now() -> dict[str, int]:
        stats = sandbox.stats()
        return {name: stats[name] for name in ("jobs_accepted", "circuits_accepted")}

    before = now()
    return lambda: {name: count - before[name] for name, count in now().items()}
