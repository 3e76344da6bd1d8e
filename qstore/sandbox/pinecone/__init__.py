"""A stand-in for Pinecone: its REST API of version 2026-07 as Pinecone's own client uses it, on this machine.

It answers as the service does, enforces its limits, shows what was written only after a lag, and fails on command.
Indexes live in its memory, which is bounded, and all of them at one address: the host of an index is a path below it.

Invariant: it judges the adapter of `workers`, and shares no code with it.
"""
