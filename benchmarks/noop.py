"""The plain Celery task that the throughput benchmark measures beside: same app, same settings, no work."""

from __future__ import annotations

from qstore.app import app


@app.task(name="benchmark.noop")  # type: ignore[untyped-decorator]  # Celery has no types
def noop(number: int) -> int:
    """Give the number back."""
    return number
