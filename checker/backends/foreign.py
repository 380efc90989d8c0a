# SPDX-License-Identifier: GPL-2.0-only
"""What models for other checkers have in common, whatever their language: names,
the initial states, a comment at the top, and what cannot be said."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from textwrap import wrap

from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.text import WIDTH

STARTS = 20_000
"""Upper limit on the initial states, each of which is written down."""


class Unsupported(Exception):
    """The system cannot be said in the other language; the text says why."""


def identifier(name: str, words: Collection[str]) -> str:
    """Return a name in place of one that may have dots, and that is none of the
    language's ``words``."""
    plain = re.sub(r"\W", "_", name)
    return f"v_{plain}" if plain in words or plain[0] == "_" else plain


def distinct(name: str, taken: Collection[str]) -> str:
    """Return the name, or one like it that is not taken."""
    while name in taken:
        name += "_"
    return name


def starts(system: TransitionSystem) -> Iterator[State]:
    """Yield the initial states. Raise Unsupported if there are none, or too many."""
    number = 0
    for number, state in enumerate(initial_states(system), 1):
        if number > STARTS:
            raise Unsupported(f"there are more than {STARTS} initial states")
        yield state
    if not number:
        raise Unsupported("there is no initial state")


def comment(lines: Iterable[str], columns: int = WIDTH) -> Iterator[str]:
    """Yield the lines, those that are too long in several."""
    for text in lines:
        indent = "  " + " " * (len(text) - len(text.lstrip()))
        yield from wrap(text, columns, subsequent_indent=indent) or [""]
