# SPDX-License-Identifier: GPL-2.0-only
"""LANGUAGE.md as plain text: its parts, for `poolproof help`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poolproof.checker.driver.designs import ROOT
from poolproof.checker.reports.text import table

TOPICS = {"design": ("Designs",), "spec": ("Specs", "Scenarios")}
"""The headings of LANGUAGE.md that each topic of `poolproof help` prints."""


def language(topic: str) -> list[str]:
    """Return the parts of LANGUAGE.md on a topic: code without its fences, and
    tables as columns."""
    text = (ROOT / "LANGUAGE.md").read_text(encoding="utf-8")
    parts = _parts(text)
    lines = [line for name in TOPICS[topic] for line in (*parts[name], "")]
    return list(_plain(lines[:-1]))


def _parts(text: str) -> dict[str, list[str]]:
    """The lines below each heading of the first level, itself included."""
    parts: dict[str, list[str]] = {}
    name, code = "", False
    for line in text.splitlines():
        code ^= line.startswith("```")
        if line.startswith("# ") and not code:
            name = line[2:]
        parts.setdefault(name, []).append(line)
    return {name: _stripped(lines) for name, lines in parts.items()}


def _stripped(lines: list[str]) -> list[str]:
    """The lines without empty ones at the end."""
    return "\n".join(lines).rstrip().split("\n")


def _plain(lines: list[str]) -> Iterator[str]:
    code = False
    rows: list[tuple[str, str]] = []
    for line in [*lines, ""]:
        if line.startswith("```"):
            code = not code
        elif line.startswith("|") and not code:
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            first, *rest = (c.strip().replace("\\|", "|") for c in cells)
            rows.append((first, "; ".join(filter(None, rest))))
        else:
            if rows:
                yield from table(rows[0], rows[2:])
                rows = []
            yield f"    {line}".rstrip() if code else line
