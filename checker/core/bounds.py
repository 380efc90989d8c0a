# SPDX-License-Identifier: GPL-2.0-only
"""Bounds as text: ``B=2 P=3``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from poolproof.checker.core.diagnostic import UserError

_NAME = re.compile(r"[^\W\d]\w*")
_DIGITS = 30


def show_bounds(bounds: Mapping[str, int]) -> str:
    """Return ``B=2 P=3``, sorted by name."""
    return " ".join(f"{k}={bounds[k]}" for k in sorted(bounds))


def parse_bounds(text: str) -> dict[str, int]:
    """Return ``B=2 P=3`` or ``B=2,P=3`` as a dict. Raise UserError without a span."""
    bounds: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if (
            not _NAME.fullmatch(name)
            or not equals
            or not re.fullmatch(r"[-+]?[0-9]+", value)
        ):
            raise UserError(
                None, f"{part!r} is not a bound: write NAME=NUMBER, like V=3"
            )
        if name in bounds:
            raise UserError(None, f"the bound {name} is given twice")
        if len(value) > _DIGITS:
            raise UserError(None, f"{name}: a number has at most {_DIGITS} digits")
        bounds[name] = int(value)
    return bounds
