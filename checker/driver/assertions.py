# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel itself asserts, and a design's own invariants, beside what
a spec asks.

Every check asks the assertions of a design, whichever spec it is for. One
that fails has a row and a trace like any property; those that nothing broke
and nobody mentions are counted in a line.
"""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.core.verdict import Violated
from poolproof.checker.driver.judging import (
    CheckResult,
    ExpectationStatus,
    PropertyResult,
)


def unmentioned(answer: PropertyResult) -> bool:
    """Return whether it is an assertion that has no row of its own: not violated, and
    the spec does not say what is expected of it."""
    return bool(
        answer.prop.assertion
        and answer.prop.expect is None
        and not isinstance(answer.verdict, Violated)
        and answer.status is not ExpectationStatus.UNMET
    )


def listed(checked: CheckResult) -> list[PropertyResult]:
    """The answers that have a row of their own, in order."""
    return [a for a in checked.answers if not unmentioned(a)]


def titles_asked(checked: Sequence[CheckResult]) -> dict[str, str]:
    """Return the title of each property of the spec of these checks, by name and
    in the spec's order. A claim `on failure` is a property for each action."""
    known = dict.fromkeys(a.prop.name for c in checked for a in c.answers)
    titles: dict[str, str] = {}
    for claim in checked[0].task.spec.claims:
        parts = [n for n in known if n.startswith(f"{claim.name.text}.")]
        titles |= dict.fromkeys(parts or [claim.name.text], claim.title)
    return titles


def listed_names(checked: Sequence[CheckResult]) -> list[str]:
    """The assertions that have a row in a table of all these designs."""
    found = (a.prop.name for c in checked for a in listed(c) if a.prop.assertion)
    return list(dict.fromkeys(found))
