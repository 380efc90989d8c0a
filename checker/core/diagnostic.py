# SPDX-License-Identifier: GPL-2.0-only
"""Mistakes in the user's text, as file:line:column and what to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolproof.checker.core.system import Span
from poolproof.model.language import did_you_mean


class UserError(Exception):
    """A mistake of the user in a design, a spec or the call. ``message`` says
    what is wrong and, if possible, what to write instead.
    """

    def __init__(self, span: Span | None, message: str) -> None:
        super().__init__(message)
        self.span, self.message = span, message

    def __reduce__(self) -> tuple[type[UserError], tuple[Any, ...]]:
        return UserError, (self.span, self.message)

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message


def has_no(owner: str, what: str, name: str, known: Sequence[str]) -> str:
    """Return the message that an owner has no such thing of this name, with those that
    it has."""
    there = f"it has {', '.join(known) or 'none'}"
    return f"{owner} has no {what} {name!r}{did_you_mean(name, known)}; {there}"


class UserErrors(UserError):
    """Several mistakes, in the order of the text: two at least."""

    def __init__(self, mistakes: Sequence[UserError]) -> None:
        super().__init__(mistakes[0].span, mistakes[0].message)
        self.mistakes = tuple(mistakes)

    def __reduce__(self) -> tuple[type[UserErrors], tuple[Any, ...]]:
        return UserErrors, (self.mistakes,)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


def each(mistake: UserError) -> tuple[UserError, ...]:
    """Return the mistakes of which this is the sum, or itself."""
    return mistake.mistakes if isinstance(mistake, UserErrors) else (mistake,)


def together(mistakes: Sequence[UserError]) -> UserError:
    """Return the mistakes (one at least) as one, each once."""
    single = {str(m): m for mistake in mistakes for m in each(mistake)}
    found = tuple(single.values())
    return found[0] if len(found) == 1 else UserErrors(found)
