"""Which vector store a replica uses: the one that its settings name."""

from __future__ import annotations

from qstore.settings import Settings
from workers.vectors.store import VectorStore


def chosen(settings: Settings) -> VectorStore | None:
    """The store, not connected yet; None where none is named. Only its own driver is imported.

    Raises:
        ImportError: The driver is not installed.
    """
    if settings.vector_store == "pgvector":
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
    if settings.vector_store == "pinecone":
        from workers.vectors.pinecone import PineconeStore  # noqa: PLC0415 - an optional extra

        return PineconeStore(
            settings.pinecone_api_key.get_secret_value(),
            settings.pinecone_url,
            cloud=settings.pinecone_cloud,
            region=settings.pinecone_region,
            timeout=settings.vector_timeout,
            max_size=settings.pinecone_pool_max_size,
        )
    return None
