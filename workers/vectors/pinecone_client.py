"""A client for the vectors of one index, that asks once and keeps its connections.

Invariant: a call makes one attempt, for whoever calls decides whether to try again.
"""

from __future__ import annotations

from dataclasses import replace

from pinecone import Index, RetryConfig
from pinecone._internal.constants import DATA_PLANE_API_VERSION
from pinecone._internal.http_client import HTTPClient

ONCE = RetryConfig(max_retries=0)
"""No second attempt."""


class Client(Index):
    """Pinecone's own client for one index.

    Its retries take minutes, and what turns them off reaches the control plane only: `Index` has no such argument, so
    its HTTP client is replaced by one that has. And it closes every connection beyond half of those it may have once it
    is unused, so it is allowed twice as many as are ever used.

    Args:
        host: Where the index is.
        api_key: The key.
        timeout: Seconds, of each of connecting, sending and waiting for the answer.
        max_size: Threads that use it at a time.
    """

    def __init__(self, host: str, api_key: str, timeout: float, max_size: int) -> None:
        super().__init__(host=host, api_key=api_key, timeout=timeout, connection_pool_maxsize=2 * max_size)
        self._http.close()
        self._config = replace(self._config, retry_config=ONCE)
        self._http = HTTPClient(self._config, DATA_PLANE_API_VERSION)
