"""Where the members come from."""

from __future__ import annotations

import pytest

from workshop import Workshop


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()
