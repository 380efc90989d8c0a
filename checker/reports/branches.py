# SPDX-License-Identifier: GPL-2.0-only
"""Branches of a design's text that no step took, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.driver.branches import BranchCoverage, BranchResult
from poolproof.checker.reports.text import indented


def branch_lines(found: BranchCoverage | None, bounds: Mapping[str, int]) -> list[str]:
    """Return ``never taken within MAX=1: pool.py:12, 15; unmap.py:7`` in lines, or why
    that is not known; nothing if every branch was taken, or if nobody asked."""
    if found is None:
        return []
    if found.why:
        return indented(f"branches not followed: {found.why}")
    if not found.never:
        return []
    within = f" within {show_bounds(bounds)}" if bounds else ""
    text = f"never taken{within}: {places(found.never)}"
    return indented(text)


def places(results: tuple[BranchResult, ...]) -> str:
    """Return ``pool.py:12, 15; unmap.py:7 (else)``. ``else`` is of an `if` without
    one, whose condition was never false; of `a if c else b` it is the text."""
    files = []
    for file, some in groupby(results, key=lambda r: r.branch.span.file):
        lines = dict.fromkeys(_line(r) for r in some)
        files.append(f"{file}:{', '.join(lines)}")
    return "; ".join(files)


def _line(result: BranchResult) -> str:
    what = result.branch.what
    if what == "never false":
        return f"{result.branch.span.line} (else)"
    if not what:
        return str(result.branch.span.line)
    text = what if len(what) <= 24 else f"{what[:21]}..."
    return f"{result.branch.span.line} ({text})"


def branches_json(found: BranchCoverage | None) -> dict[str, Any] | None:
    """Return what is known of branches; None if nobody asked."""
    if found is None:
        return None
    return {
        "unknown": found.why or None,
        "taken": sum(bool(r.taken) for r in found.results),
        "never": [
            {
                "at": str(r.branch.span),
                "side": r.branch.what,
                "actions": list(r.never),
            }
            for r in found.never
        ],
    }
