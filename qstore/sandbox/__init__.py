"""Real servers for a laptop or a test: embedded, on loopback, gone without a trace."""
