# SPDX-License-Identifier: GPL-2.0-only
"""Operators whose text in another language is that of their operands, put together:
functions of an algebra of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def template(text: str) -> Callable[..., str]:
    """Return ``text`` with {a}, {b} and {c} for the texts of the operands."""

    def filled(given: Any, e: Any, *operands: str) -> str:
        return text.format(**dict(zip("abc", operands, strict=False)))

    return filled


def joined(symbol: str) -> Callable[..., str]:
    """Return the operands with the symbol between them, in parentheses."""
    return lambda given, e, *operands: "(" + f" {symbol} ".join(operands) + ")"
