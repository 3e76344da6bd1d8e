"""Which vector store a replica uses: the one that its settings name."""

from __future__ import annotations

from collections.abc import Callable

from qstore.errors import InvalidSettingError
from qstore.settings import Settings
from workers.vectors.store import VectorStore


def chosen(settings: Settings) -> VectorStore | None:
    """The store, not connected yet; None where none is named. Only its own driver is imported.

    Raises:
        InvalidSettingError: Its driver is not installed, or its address makes no sense.
    """
    name = settings.vector_store
    try:
        return _OPENED[name](settings) if name else None
    except ImportError as error:
        raise InvalidSettingError(
            f"QSTORE_VECTOR_STORE={name} needs {error.name}: pip install 'qstore[{name}]'"
        ) from error
    except ValueError as error:
        raise InvalidSettingError(f"QSTORE_VECTOR_STORE={name}: {error}") from error


def _pgvector(settings: Settings) -> VectorStore:
    from workers.vectors.pgvector import PgvectorStore  # noqa: PLC0415 - an optional extra

    return PgvectorStore(
        settings.pgvector_url.get_secret_value(),
        settings.pgvector_replica_url.get_secret_value(),
        timeout=settings.vector_timeout,
        min_size=settings.pgvector_pool_min_size,
        max_size=settings.pgvector_pool_max_size,
        pool_timeout=settings.pgvector_pool_timeout,
        max_waiting=settings.pgvector_pool_max_waiting,
        max_lifetime=settings.pgvector_pool_max_lifetime,
        max_idle=settings.pgvector_pool_max_idle,
        check=settings.pgvector_pool_check,
    )


def _pinecone(settings: Settings) -> VectorStore:
    from workers.vectors.pinecone import PineconeStore  # noqa: PLC0415 - an optional extra

    return PineconeStore(
        settings.pinecone_api_key.get_secret_value(),
        settings.pinecone_url,
        cloud=settings.pinecone_cloud,
        region=settings.pinecone_region,
        timeout=settings.vector_timeout,
        max_size=settings.pinecone_pool_max_size,
    )


_OPENED: dict[str, Callable[[Settings], VectorStore]] = {"pgvector": _pgvector, "pinecone": _pinecone}
