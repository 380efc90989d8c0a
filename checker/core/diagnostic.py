# SPDX-License-Identifier: GPL-2.0-only
"""Mistakes in the user's text, as file:line:column and what to write."""

from __future__ import annotations

from poolproof.checker.core.system import Span


class UserError(Exception):
    """A mistake of the user in a design, a spec or the call. ``message`` says
    what is wrong and, if possible, what to write instead.
    """

    def __init__(self, span: Span | None, message: str) -> None:
        super().__init__(message)
        self.span, self.message = span, message

    def __reduce__(self) -> tuple[type[UserError], tuple[Span | None, str]]:
        return UserError, (self.span, self.message)

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message
