"""The page on pools names everything a pool tells, and every setting of one."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from qstore.settings import Settings
from workers.pool import Pool, PoolStats
from workers.pool.events import Kind
from workers.pool.stats import Reason

PAGE = Path(__file__).parents[4] / "docs" / "pools.md"

OPTIONS = [name for name in inspect.signature(Pool).parameters if name not in {"make", "close", "name", "clock"}]
SETTINGS = [name.upper() for name in Settings.model_fields if "_pool_" in name]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Stats", [field.name for field in fields(PoolStats)]),
        ("Stats", get_args(Reason)),
        ("Events", get_args(Kind)),
        ("Settings", SETTINGS),
    ],
)
def test_a_table_names_all(heading: str, names: list[str]) -> None:
    section = PAGE.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    assert [name for name in names if f"`{name}`" not in section] == []


def test_every_option_is_explained() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in OPTIONS if name not in page] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_the_table_of_settings_tells_the_defaults(name: str) -> None:
    default = Settings.model_fields[name.lower()].default
    shown = f"{default:,.0f}" if isinstance(default, int | float) else f"`{default}`"
    assert f"| `{name}` | {shown} |" in PAGE.read_text("utf-8")
