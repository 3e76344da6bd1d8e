"""The vector store is the one that the settings name, as they say."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from qstore.app import settings as configured
from qstore.errors import InvalidSettingError
from workers.celery import leave_out_requests
from workers.vectors.choice import chosen
from workers.vectors.pgvector import PgvectorStore
from workers.vectors.pinecone import PineconeStore

SECRET = "hidden-in-the-tests"


def settings(**changes: Any) -> Any:
    return configured.model_copy(update=changes)


def test_none_is_none() -> None:
    assert chosen(settings(vector_store="")) is None


def test_pgvector_is_as_its_settings_say() -> None:
    store = chosen(
        settings(
            vector_store="pgvector",
            pgvector_url=SecretStr(f"postgresql://qstore:{SECRET}@db.example/qstore"),
            pgvector_replica_url=SecretStr(f"postgresql://qstore:{SECRET}@other.example/qstore"),
            pgvector_pool_min_size=1,
            pgvector_pool_max_size=7,
        )
    )
    assert isinstance(store, PgvectorStore)
    primary, replica = store.stats()
    assert (primary.min_size, primary.max_size, replica.max_size) == (1, 7, 7)
    assert SECRET not in repr(store) + repr(store.stats())
    store.close()


def test_pinecone_is_as_its_settings_say() -> None:
    store = chosen(
        settings(vector_store="pinecone", pinecone_api_key=SecretStr(SECRET), pinecone_url="http://127.0.0.1:9")
    )
    assert isinstance(store, PineconeStore)
    assert SECRET not in repr(store)
    store.close()


def test_a_driver_that_is_not_there_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("psycopg", "psycopg_pool"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in [name for name in sys.modules if name.startswith("workers.vectors.pgvector")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(InvalidSettingError, match=r"needs psycopg\w*: pip install 'qstore\[pgvector\]'"):
        chosen(settings(vector_store="pgvector"))


def test_an_address_that_is_none_is_named_without_its_password() -> None:
    with pytest.raises(InvalidSettingError, match="QSTORE_VECTOR_STORE=pgvector") as caught:
        chosen(
            settings(vector_store="pgvector", pgvector_url=SecretStr(f"postgresql://u:{SECRET}@h:port/x?nonsense=1"))
        )
    assert SECRET not in str(caught.value)


@pytest.fixture
def loggers() -> Iterator[list[logging.Logger]]:
    """Those of libraries that write a line for each request."""
    found = [logging.getLogger(name) for name in ("httpx", "pinecone")]
    before = [logger.level for logger in found]
    yield found
    for logger, level in zip(found, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_a_line_for_each_request_is_only_for_who_looks_closely(
    loggers: list[logging.Logger], level: int, shown: bool
) -> None:
    for logger in loggers:
        logger.setLevel(logging.NOTSET)
    leave_out_requests(loglevel=level)
    assert {logger.level < logging.INFO for logger in loggers} == {shown}
