# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the plain text that messages, traces and reports have in common."""

from __future__ import annotations

WIDTH = 75
"""Columns of all text, so that it survives being quoted in a mail."""


def count(number: int, noun: str) -> str:
    """``1 step``, ``1,024 states``."""
    return f"{number:,} {noun if number == 1 else _PLURALS.get(noun, f'{noun}s')}"


_PLURALS = {"class": "classes", "property": "properties"}
