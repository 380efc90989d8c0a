# SPDX-License-Identifier: GPL-2.0-only
"""What all tests have in common: the order they run in."""

from __future__ import annotations

import pytest

from tests.common.tiers import Row


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest specs first, so that no process ends with one of them."""

    def seconds(item: pytest.Item) -> float:
        case = getattr(item, "callspec", None)
        row = case.params.get("row") if case else None
        return row.seconds if isinstance(row, Row) else 0.0

    items.sort(key=seconds, reverse=True)
