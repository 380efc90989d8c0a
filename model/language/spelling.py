# SPDX-License-Identifier: GPL-2.0-only
"""Names that do not exist: the nearest one that does, and how messages say it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

ALIKE = 0.6
"""Likeness (0: nothing in common, 1: equal) from which on one name may be a
misspelling of another."""


def nearest_name(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the known name that ``name`` is most like, None if it is like
    none. Case does not count, and a name with dots may be meant by its last
    word."""
    names = [k for k in dict.fromkeys(known) if not k.startswith("_")]
    tails = [k for k in names if "." in k and k.rpartition(".")[2] == name]
    if tails:
        return tails[0]
    folded = {k.casefold(): k for k in reversed(names)}
    close = get_close_matches(name.casefold(), folded, 1, alike)
    return folded[close[0]] if close else None


def did_you_mean(
    name: str, known: Iterable[str], quote: str = "'", alike: float = ALIKE
) -> str:
    """Return `` (did you mean 'mmap'?)``, or nothing."""
    near = nearest_name(name, known, alike)
    return "" if near is None else f" (did you mean {quote}{near}{quote}?)"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to add to "no such name": the nearest one, or a short list
    of those that there are."""
    names = sorted({k for k in known if not k.startswith("_")})
    listed = f"; there is {', '.join(names)}" if 0 < len(names) <= 12 else ""
    return did_you_mean(name, names) or listed
