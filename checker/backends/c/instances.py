# SPDX-License-Identifier: GPL-2.0-only
"""Actions whose arguments are put in, which `Steps` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poolproof.checker.core.ir import Expr
from poolproof.checker.core.system import Action, Obligation


@dataclass
class Instance:
    """An action, perhaps with its arguments put in."""

    action: Action
    conjuncts: tuple[Expr, ...]
    updates: Mapping[str, Expr]
    result: Expr | None
    obligations: tuple[Obligation, ...]
    by: Mapping[Expr, Expr]
    numbers: range
    number: str
    """C text of the number of the step."""


@dataclass
class Counting:
    """An assumption of an action whose arguments are put in: where all conjuncts
    are true, it cuts that step."""

    conjuncts: tuple[Expr, ...]
    line: str
    """C that counts it."""
