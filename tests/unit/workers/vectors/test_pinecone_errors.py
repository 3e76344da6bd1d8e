"""Errors of Pinecone's client that its stand-in does not bring about."""

from __future__ import annotations

import httpx
import pytest
from pinecone import PineconeConnectionError, PineconeTimeoutError, PineconeValueError
from pinecone.errors import ResponseParsingError

from qstore.errors import QstoreError, VectorStoreRefusedError, VectorStoreUnavailableError
from workers.vectors.pinecone_errors import translated


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ResponseParsingError("half a secret"), VectorStoreUnavailableError),
        (PineconeTimeoutError("half a secret"), VectorStoreUnavailableError),
        (PineconeConnectionError("half a secret"), VectorStoreUnavailableError),
        (httpx.DecodingError("half a secret"), VectorStoreUnavailableError),
        (PineconeValueError("half a secret"), VectorStoreRefusedError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_the_client_raises_is_translated_without_the_key(raised: Exception, told: type[QstoreError]) -> None:
    with pytest.raises(told, match=r"half a \.\.\.") as caught, translated("secret"):
        raise raised

    assert caught.value.__suppress_context__
