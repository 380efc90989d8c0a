# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of options that verbs have, and readers of their values.

A reader takes the text of one option and returns its value, or raises
ArgumentTypeError with the reason; `Parser.value` puts the option before it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from poolproof.checker.core.diagnostic import UserError
from poolproof.model.language import did_you_mean

Options = argparse.Namespace
"""The options of a call."""


class Parser(argparse.ArgumentParser):
    """A parser, with the kinds of options that verbs have."""

    def value(self, name: str, read: Callable[[str], Any], **more: Any) -> None:
        """Add an option whose text ``read`` reads. The parser raises UserError,
        with the option and its text, where ``read`` refuses."""

        def value(text: str) -> Any:
            try:
                return read(text)
            except argparse.ArgumentTypeError as e:
                raise UserError(None, f"{name} {text}: {e}") from None

        self.add_argument(name, type=value, **more)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Raise UserError for an option that there is not."""
        options, rest = super().parse_known_args(args, namespace)
        if unknown := next((word for word in rest if word.startswith("-")), ""):
            name, _, _ = unknown.partition("=")
            near = did_you_mean(name, tuple(self._option_string_actions))
            raise UserError(
                None, f"{name}: no such option{near}: see `{self.prog} --help`"
            )
        return options, rest

    def error(self, message: str) -> NoReturn:
        """Raise UserError for an option without its value, and for a choice that
        there is not; otherwise print the usage and exit."""
        argument, _, what = message.partition(": ")
        name = argument.removeprefix("argument ").rpartition("/")[2]
        for action in self._actions:
            names = (*action.option_strings, action.metavar)
            if name not in names:
                continue
            if what == "expected one argument":
                raise UserError(
                    None, f"{name} needs a value: write `{name} {action.metavar}`"
                )
            if (found := re.match("invalid choice: '(.*?)' ", what)) and action.choices:
                known = tuple(map(str, action.choices))
                near = did_you_mean(found[1], known)
                write = f"see `{self.prog} --help`"
                if len(known) < 6:
                    write = f"write {' or '.join(known)}"
                raise UserError(
                    None,
                    f"there is no {str(action.metavar).lower()} {found[1]!r}{near}: "
                    f"{write}",
                )
        super().error(message)

    def flag(self, name: str, what: str) -> None:
        """Add an option without a value."""
        self.add_argument(name, action="store_true", help=what)

    def verbose(self, what: str) -> None:
        """Add -v."""
        self.add_argument("-v", "--verbose", action="store_true", help=what)

    def several(self, name: str, metavar: str, what: str) -> None:
        """Add an option that may be repeated."""
        self.add_argument(name, action="append", default=[], metavar=metavar, help=what)

    def whole(
        self,
        name: str,
        what: str,
        default: int | None = None,
        least: int = 1,
        metavar: str = "N",
    ) -> None:
        """Add an option that takes a whole number from ``least`` on."""
        self.value(name, whole(least), default=default, metavar=metavar, help=what)

    def budget(self, what: str, default: float | None = None) -> None:
        """Add --budget, in seconds."""
        self.value("--budget", seconds, default=default, metavar="SECONDS", help=what)

    def memory(self) -> None:
        """Add --memory."""
        what = "at most this, like 500M or 4G"
        self.value("--memory", memory, metavar="SIZE", help=what)

    def names(
        self,
        name: str,
        what: str,
        dest: str | None = None,
        metavar: str = "FEATURE[,FEATURE]",
    ) -> None:
        """Add an option that takes names, and may be repeated."""
        self.value(
            name,
            names,
            action="extend",
            default=[],
            metavar=metavar,
            dest=dest,
            help=what,
        )


# --- readers --------------------------------------------------------------


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"a whole number of at least {least} is expected"
            )
        return int(text)

    return read


def seconds(text: str) -> float:
    """Return a finite number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds above 0 is expected")
    return value


def memory(text: str) -> int:
    """Return the bytes of ``500M`` or ``4G``."""
    found = re.fullmatch(r"([0-9]+)([KMG]?)B?", text.upper())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError("write bytes, or like 500M, 4G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def span(text: str) -> range:
    """Return the numbers of ``LO..HI``, both ends included."""
    lo, dots, hi = text.partition("..")
    if not (dots and lo.isdecimal() and hi.isdecimal() and int(lo) <= int(hi)):
        raise argparse.ArgumentTypeError("write two sizes, like 20..24")
    return range(int(lo), int(hi) + 1)


def names(text: str) -> list[str]:
    """Return the names of ``A,B``."""
    return text.replace(",", " ").split()
