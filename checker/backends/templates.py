# SPDX-License-Identifier: GPL-2.0-only
"""Operators whose text in another language is that of their operands, put together:
functions of an algebra of texts."""

from __future__ import annotations

from collections.abc import Callable


def template(text: str) -> Callable[..., str]:
    """Return ``text`` with {a}, {b} and {c} for the texts of the operands."""

    numbered = text.format(a="{0}", b="{1}", c="{2}")
    return lambda given, e, *operands: numbered.format(*operands)


def joined(symbol: str) -> Callable[..., str]:
    """Return the operands with the symbol between them, in parentheses."""
    return lambda given, e, *operands: "(" + f" {symbol} ".join(operands) + ")"
