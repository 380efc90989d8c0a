# SPDX-License-Identifier: GPL-2.0-only
"""Stored mutation scores, and whether they are of the text as it is now.

A report of `poolproof mutate` ends with digests of the design's text and of its
specs (scored_text.py). A score whose digests are others is of an earlier text, and
says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from poolproof.checker.driver.designs import shipped_designs, specs_for
from poolproof.checker.driver.scored_text import text_line
from poolproof.checker.spec.syntax import Spec
from poolproof.model.language import Design

SCORES = "specs/scores"
"""The folder for `poolproof mutate DESIGN -o specs/scores/DESIGN.txt`."""

Scores = Mapping[type, str]
"""By design: its mutation score, in words."""


def stored_scores(
    folder: Path,
    specs: Sequence[Spec],
    line: Callable[[type[Design], Sequence[Spec]], str] = text_line,
) -> dict[type, str]:
    """Return the score of each shipped design whose report of mutants is kept,
    and what has changed since. ``specs`` are the shipped ones; ``line`` is `text_line`
    or returns the same."""
    found: dict[type, str] = {}
    for known in shipped_designs():
        path = folder / f"{known.name}.txt"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for score in re.findall(r"^score: (.*)$", text, re.M):
            was = re.search(r"^text: (.*)$", text, re.M)
            now = line(known.cls, specs_for(specs, known))
            found[known.cls] = score + _since(was[1] if was else "", now)
    return found


def stored_conformance(folder: Path) -> dict[type, str]:
    """Return the figures of each shipped design whose report of `poolproof conform`
    is kept as DESIGN.conform.txt: the kernel, the sequences and steps, and whether
    they disagree. The rate is left out, which depends on the machine."""
    found: dict[type, str] = {}
    for known in shipped_designs():
        path = folder / f"{known.name}.conform.txt"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        words = " ".join(text.split())
        head = re.match(r"\S+ and (Linux \S+) (.*? calls?), ", words)
        said = re.search(
            r"no disagreement that is not listed|[\d,]+ sequences? in "
            r"disagreement",
            words,
        )
        if head is not None and said is not None:
            found[known.cls] = f"{head[1]}: {head[2]}; {said[0]}"
    return found


def _since(was: str, now: str) -> str:
    """Return in words which parts of two `text_line`s differ."""
    before = was.split(", ")
    changed = [part.split()[0] for part in now.split(", ") if part not in before]
    return f", of an earlier text of the {' and the '.join(changed)}" if changed else ""
