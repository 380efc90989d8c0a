# SPDX-License-Identifier: GPL-2.0-only
"""The least pool as a formula, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from poolproof.checker.core.text import WIDTH
from poolproof.checker.driver.least_formula import Least, at
from poolproof.checker.driver.least_proof import LeastProof


def formula_report(
    scenario: str,
    design: str,
    bound: str,
    names: Sequence[str],
    found: Least,
    proof: LeastProof | None,
) -> list[str]:
    """Return the formula of one scenario on one design, or why there is none. There is
    a ``proof`` if there is a formula."""
    title = f"{scenario} on {design}"
    if found.formula is None or proof is None:
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
            f"many succeed there, and one fewer fails. {proof_text(proof)}",
            WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
        ),
    ]


def proof_text(proof: LeastProof) -> str:
    """Return what is proved of a formula, as sentences."""
    if proof.enough:
        return f"Not proved for other values: {proof.enough}."
    values = ", ".join(f"{name} >= {least}" for name, least in proof.least.items())
    enough = f"Inductive for any {values}: this many succeed"
    if proof.needed:
        return f"{enough}. That one fewer fails is not proved: {proof.needed}."
    return f"{enough}, and with one fewer no run ends well. Certificates re-checked."
