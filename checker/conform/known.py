# SPDX-License-Identifier: GPL-2.0-only
"""Known differences between the design and kernels: known.toml, and how to match.

The file is the list; here are only its form and its use.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poolproof.checker.conform.sequence import Difference, Run


@dataclass(frozen=True, slots=True)
class KnownDifference:
    """One entry: its name, why it is there, and what it matches."""

    name: str
    reason: str
    says: str = ""
    command: str = ""
    what: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    fails: str = ""

    def leaves_out(self, message: str) -> bool:
        """Return whether a call with this message of the machine is not made."""
        return bool(self.says and re.search(self.says, message))

    def explains(self, release: str, run: Run, difference: Difference) -> bool:
        """Return whether a difference on a kernel is this one."""
        if not self.command or not 0 <= difference.at < len(run.rows):
            return False
        return (
            re.search(self.command, run.rows[difference.at].command) is not None
            and (not self.what or {*difference.what} <= {*self.what})
            and (not self.kernels or release.startswith(self.kernels))
        )

    def explains_failure(self, call: str, difference: Difference) -> bool:
        """Return whether this is the difference that follows the failure of a call."""
        return self.fails == call != "" and {*difference.what} <= {*self.what}


@cache
def known_differences() -> tuple[KnownDifference, ...]:
    """The entries of known.toml."""
    text = Path(__file__).with_name("known.toml").read_text()
    return tuple(_known(entry) for entry in tomllib.loads(text)["known"])


def _known(entry: dict[str, object]) -> KnownDifference:
    def words(name: str) -> tuple[str, ...]:
        given = entry.get(name, [])
        return tuple(map(str, given)) if isinstance(given, list) else ()

    return KnownDifference(
        name=str(entry["name"]),
        reason=" ".join(str(entry["reason"]).split()),
        says=str(entry.get("says", "")),
        command=str(entry.get("command", "")),
        what=words("what"),
        kernels=words("kernels"),
        fails=str(entry.get("fails", "")),
    )


def left_out(message: str, entries: Sequence[KnownDifference] | None = None) -> str:
    """The name of the entry that a call was left out for; the message itself
    where no entry says so."""
    for known in known_differences() if entries is None else entries:
        if known.leaves_out(message):
            return known.name
    return message


def explained(
    release: str,
    run: Run,
    difference: Difference,
    entries: Sequence[KnownDifference] | None = None,
) -> str | None:
    """The name of the entry that explains a difference, if one does."""
    for known in known_differences() if entries is None else entries:
        if known.explains(release, run, difference):
            return known.name
    return None
