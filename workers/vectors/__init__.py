"""Classical vector stores: one protocol, an adapter for each."""
