"""Settings come from the environment, and an impossible one is named."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from qstore.settings import Settings


def test_the_environment_is_read_by_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSTORE_BATCH_SIZE", "25")
    monkeypatch.setenv("IONQ_API_KEY", "a-secret")
    settings = Settings()
    assert settings.batch_size == 25
    assert settings.ionq_api_key.get_secret_value() == "a-secret"


def test_the_key_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IONQ_API_KEY", "a-secret")
    settings = Settings()
    assert "a-secret" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_no_secret_shows_where_another_setting_is_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "IONQ_API_KEY": "hidden-one",
        "PINECONE_API_KEY": "hidden-two",
        "QSTORE_PGVECTOR_URL": "postgresql://qstore:hidden-three@db/qstore",
        "QSTORE_REDIS_URL": "redis://:hidden-four@db/0",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert "hidden" not in repr(Settings()) + str(Settings())
    monkeypatch.setenv("QSTORE_LEASE", "30")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "hidden" not in str(caught.value) + repr(caught.value)


def test_a_store_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSTORE_VECTOR_STORE", "pinecone")
    monkeypatch.delenv("PINECONE_API_KEY", raising=False)
    with pytest.raises(ValidationError, match="PINECONE_API_KEY"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCH_SIZE", "0"),
        ("BATCH_SIZE", "many"),
        ("BATCH_TIMEOUT", "-1"),
        ("LEASE", "30"),
        ("IONQ_READ_TIMEOUT", "60"),
        ("IONQ_POOL_MIN_SIZE", "5"),
        ("PGVECTOR_POOL_MIN_SIZE", "5"),
        ("PGVECTOR_POOL_CHECK", "sometimes"),
        ("VECTOR_STORE", "shoebox"),
    ],
)
def test_an_impossible_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"QSTORE_{name}", value)
    with pytest.raises(ValidationError, match=f"(?i){name}|QSTORE_LEASE"):
        Settings()
