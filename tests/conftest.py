# SPDX-License-Identifier: GPL-2.0-only
"""What all tests have in common: their order, and where bytecode is kept."""

from __future__ import annotations

import gc
import os

import pytest

from poolproof.checker.commands.main import GARBAGE
from tests.common.tiers import Row


def pytest_configure(config: pytest.Config) -> None:
    """Have the commands that tests start share their bytecode, also where the
    environment forbids it: compiling all modules takes a second of CPU. They search
    whatever the cache has. Garbage is looked for as in a command."""
    gc.set_threshold(*GARBAGE)
    os.environ["POOLPROOF_NO_CACHE"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(config.rootpath / ".pytest_cache/bytecode")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest specs first, so that no process ends with one of them."""

    def seconds(item: pytest.Item) -> float:
        case = getattr(item, "callspec", None)
        row = case.params.get("row") if case else None
        return row.seconds if isinstance(row, Row) else 0.0

    items.sort(key=seconds, reverse=True)
