"""qstore: a distributed job queue for quantum circuits."""
