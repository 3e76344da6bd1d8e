"""What Pinecone's client raises, in the words of workers/vectors/store.py.

Invariant: the API key is in no message, not even where the service repeats it, and the error it came in is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pinecone import ApiError, PineconeConnectionError, PineconeError, PineconeTimeoutError, RateLimitError
from pinecone.errors import ResponseParsingError

from qstore.errors import VectorStoreRefusedError, VectorStoreThrottledError, VectorStoreUnavailableError

_REQUEST_TIMEOUT = 408
_FIRST_SERVER_ERROR = 500


@contextmanager
def translated(api_key: str) -> Iterator[None]:
    """Translate what is raised in the block.

    Args:
        api_key: What to leave out of messages.

    Raises:
        VectorStoreUnavailableError: The service did not answer in time, or could not.
        VectorStoreThrottledError: The service asks for patience.
        VectorStoreRefusedError: The service, or its client before it, does not take the call.
    """
    try:
        yield
    except httpx.HTTPError as error:  # those few that its client lets through
        said = str(error).replace(api_key, "...")
        raise VectorStoreUnavailableError(f"Pinecone does not answer: {said}") from None
    except PineconeError as error:
        raise _translation(error, str(error).replace(api_key, "...")) from None  # its text might have the key


def _translation(error: PineconeError, said: str) -> Exception:
    if isinstance(error, RateLimitError):
        return VectorStoreThrottledError(f"Pinecone asks for patience: {said}", error.retry_after)
    if isinstance(error, PineconeTimeoutError | PineconeConnectionError | ResponseParsingError):
        return VectorStoreUnavailableError(f"Pinecone does not answer: {said}")
    if isinstance(error, ApiError) and (
        error.status_code >= _FIRST_SERVER_ERROR or error.status_code == _REQUEST_TIMEOUT
    ):
        return VectorStoreUnavailableError(f"Pinecone cannot answer: {said}")
    return VectorStoreRefusedError(f"Pinecone refuses: {said}")
