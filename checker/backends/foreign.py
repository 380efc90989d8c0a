# SPDX-License-Identifier: GPL-2.0-only
"""The common parts of models for other checkers, whatever their language: names, the
initial states, a comment at the top, and the error for what they cannot express."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from textwrap import wrap

from poolproof.checker.core.evaluate import initial_states
from poolproof.checker.core.system import State, TransitionSystem
from poolproof.checker.core.text import WIDTH

STARTS = 20_000
"""Upper limit on the initial states, each of which is written down."""


class Inexpressible(Exception):
    """The other language cannot express the system; the text says why."""


def identifier(name: str, words: Collection[str]) -> str:
    """Return the name as an identifier: without dots, and not one of the reserved
    ``words`` of the language."""
    plain = re.sub(r"\W", "_", name)
    return f"v_{plain}" if plain in words or plain[0] == "_" else plain


def distinct(name: str, taken: Collection[str]) -> str:
    """Return the name, or one like it that is not taken."""
    while name in taken:
        name += "_"
    return name


def starts(system: TransitionSystem) -> Iterator[State]:
    """Yield the initial states. Raise Inexpressible if there are none, or too many."""
    number = 0
    for number, state in enumerate(initial_states(system), 1):
        if number > STARTS:
            raise Inexpressible(f"there are more than {STARTS} initial states")
        yield state
    if not number:
        raise Inexpressible("there is no initial state")


def comment(lines: Iterable[str], columns: int = WIDTH) -> Iterator[str]:
    """Yield the lines, wrapped to ``columns`` characters."""
    for text in lines:
        indent = "  " + " " * (len(text) - len(text.lstrip()))
        yield from wrap(text, columns, subsequent_indent=indent) or [""]
