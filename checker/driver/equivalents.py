# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of the shipped designs that cannot be distinguished from the original, and
why: specs/scores/equivalent.toml, written by hand. A score leaves them out."""

from __future__ import annotations

import tomllib
from pathlib import Path

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.source import shown_path
from poolproof.checker.core.user_file import read_text
from poolproof.checker.driver.designs import ROOT, DesignRef, shipped_designs
from poolproof.checker.driver.mutants import Mutant

LIST = ROOT / "specs" / "scores" / "equivalent.toml"


def key(mutant: Mutant) -> str:
    """Return the mutant's name in the list, ``METHOD: what``. It has no line number,
    because lines move; two equal changes in a method have the same name."""
    return f"{mutant.method}: {mutant.what}"


def equivalents(known: DesignRef, file: Path = LIST) -> dict[str, str]:
    """Return the reasons in the list by mutant, for a shipped design; empty for any
    other. Raise UserError if the file is not such a list."""
    if known not in shipped_designs() or not file.is_file():
        return {}
    shown = shown_path(str(file))
    found: dict[str, str] = {}
    try:
        groups = tomllib.loads(read_text(str(file), "a list of mutants"))["equivalent"]
        for group in groups:
            reasons = dict.fromkeys(group["mutants"], group["why"])
            if known.name in group["designs"]:
                found |= reasons
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as e:
        raise UserError(
            None,
            f"{shown}: {e}; write [[equivalent]] with why, designs and mutants",
        ) from None
    return found
