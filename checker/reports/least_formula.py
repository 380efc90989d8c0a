# SPDX-License-Identifier: GPL-2.0-only
"""The least pool as a formula, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from poolproof.checker.core.text import WIDTH
from poolproof.checker.driver.least_formula import Least, at


def formula_report(
    scenario: str, design: str, bound: str, names: Sequence[str], found: Least
) -> list[str]:
    """Return the formula of one scenario on one design, or why there is none."""
    title = f"{scenario} on {design}"
    if found.formula is None:
        return textwrap.wrap(
            f"{title}: no formula for {bound}: {found.why}",
            WIDTH,
            subsequent_indent="    ",
        )
    others = "; ".join(at(names, cell.values) for cell in found.tried)
    return [
        f"{title}: {bound} = {found.formula}",
        *textwrap.wrap(
            f"fitted to {len(found.fitted)} sizes, and confirmed at {others}: this "
            "many succeed there, and one fewer fails. Not proved for other values.",
            WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
        ),
    ]
