"""The judge is held to its own law."""

from __future__ import annotations

import pytest

from exact_store import ExactStore
from vectors_contract import VectorStoreContract


class TestExactStore(VectorStoreContract):
    @pytest.fixture
    def store(self) -> ExactStore:
        return ExactStore()
