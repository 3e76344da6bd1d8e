"""A service that has Celery alone: it reads calls as JSON, submits them by name, and prints what comes back."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

_WITHIN = 30  # seconds


class Barred(MetaPathFinder):
    """Refuses to import what this service has not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:  # noqa: ARG002 - as the base has it
        if name.partition(".")[0] in {"qstore", "workers", "qiskit", "numpy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def told(result: Any) -> Any:
    """What comes back, an error as its names and words."""
    try:
        return result.get(timeout=_WITHIN)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return {"type": type(error).__name__, "module": type(error).__module__, "text": str(error)}


def main() -> None:
    """Submit by every way there is."""
    sys.meta_path.insert(0, Barred())
    from celery import Celery, chain, chord, group, signature, xstarmap  # noqa: PLC0415 - after the bar is down

    given = json.load(sys.stdin)
    app = Celery("elsewhere", broker=given["redis"], backend=given["redis"])
    name, calls = "qstore.submit_circuit", iter(given["calls"])

    def job() -> Any:
        return app.signature(name, args=next(calls), immutable=True)

    def shots() -> Any:
        return app.signature("plain.shots")

    under_way = {
        "send_task": app.send_task(name, next(calls)),
        "keywords": app.send_task(name, [], dict(zip(("circuit", "shots"), next(calls), strict=True))),
        "app.signature": job().delay(),
        "signature": signature(name, args=next(calls), app=app).apply_async(),
        "group": group([job(), job()], app=app).apply_async(),
        "chain": chain(job(), job(), app=app).apply_async(),
        "chord": chord([job(), job()], app=app)(shots()),
        "starmap": xstarmap(app.signature(name), [next(calls), next(calls)], app=app).apply_async(),
        "bad shots": app.send_task(name, [next(calls)[0]], {"shots": 0}),
        "bad circuit": app.send_task(name, ["garbage"]),
        "chord of bad ones": chord([app.signature(name, args=["garbage"]), job()], app=app)(shots()),
    }
    answers = {way: told(result) for way, result in under_way.items()}
    print(json.dumps(answers))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
