"""A stand-in for IonQ's API, protocol v0.4, that real IonQ clients talk to unmodified.

It shares nothing with the rest of qstore, so that it can judge it: what it accepted, refused and counted is
its own finding. `python -m qstore.sandbox.ionq` runs it as a process, `create_app` in one.
"""

from __future__ import annotations

from qstore.sandbox.ionq.app import create_app

__all__ = ["create_app"]
