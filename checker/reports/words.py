# SPDX-License-Identifier: GPL-2.0-only
"""The words for verdicts, wherever they are printed.

Each function has one line per kind of verdict: a sentence, a few words, a cell
of a table, a mark, what is counted, and the key that programs read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.property import Kind
from poolproof.checker.core.text import count
from poolproof.checker.core.verdict import (
    Holds,
    Reached,
    Unknown,
    Unreachable,
    Vacuous,
    Verdict,
    Violated,
)
from poolproof.checker.driver.assumptions import AssumptionResult
from poolproof.checker.driver.judging import expectation

MARKS = (
    "holds: in all states within the bounds above. V4: violated after 4 steps, "
    "counterexamples/DESIGN/SPEC.PROPERTY.trace. R3: reached after 3. never: not "
    "reachable. vac: vacuous, what it is about never happens. ?7: unknown past 7 "
    "steps. any: for any size. -: the design has no such thing (above: which). "
    "!: not as expected."
)
"""What the marks of `mark`, and of the page around them, mean."""


def sentence(
    verdict: Verdict,
    kind: Kind,
    bounds: Mapping[str, int],
    least: Mapping[str, int | None] | None = None,
) -> str:
    """Return the verdict in one line of plain words. ``least`` has the least value of
    each bound that a certificate leaves open. Without ``bounds`` the line does not name
    them."""
    within = f" within {show_bounds(bounds)}" if bounds else ""
    match verdict:
        case Holds(exhaustive=True, states=states, depth=depth):
            return f"no violation{within}: {_visited(states)}, depth {depth}"
        case Holds(certificate=certificate):
            params = certificate.params if certificate else ()
            fixed = ", ".join(
                f"{k}={v}" for k, v in sorted(bounds.items()) if k not in params
            )
            size = ", ".join(
                from_least(p, (least or {}).get(p)) for p in sorted(params)
            )
            if certificate and certificate.relations:
                size += " with " + ", ".join(certificate.relations)
            return (
                ("inductive for any " + size if size else "inductive")
                + (f" ({fixed})" if fixed else "")
                + ", certificate re-checked"
            )
        case Violated() | Reached():
            tail = "" if verdict.shortest else ", perhaps not the fewest"
            word = "reached" if isinstance(verdict, Reached) else "violated"
            return f"{word} after {count(len(verdict.trace), 'step')}{tail}"
        case Unreachable(states=states, depth=depth):
            return f"unreachable{within}: {_visited(states)}, depth {depth}"
        case Vacuous(reason=reason):
            return f"vacuous: {reason}"
        case Unknown(reason=reason, depth=depth):
            tail = f"; {_none_within(kind, depth)}" if depth else ""
            return f"unknown: {reason}{tail}"


def _visited(states: int) -> str:
    """Return the number of visited states in words. bmc visits runs, not states."""
    return count(states, "state") if states else "all runs"


def assuming(a: AssumptionResult) -> str:
    """Return ``assuming no fork together with mremap: 1,204 steps cut``; without
    a figure if nothing was counted."""
    if a.cut is None:
        return f"assuming {a.why}" + (": not needed" if a.unneeded else "")
    steps = f"{count(a.cut, 'step')} cut" if a.cut else "cut nothing"
    return f"assuming {a.why}: {steps}" + ("" if a.complete else " so far")


def sizes(
    bounds: Mapping[str, int], having: Sequence[str], without: Sequence[str]
) -> str:
    """Return ``B=2 V=3, with fork split, without swap``."""
    parts = (
        show_bounds(bounds),
        "with " + " ".join(having) if having else "",
        "without " + " ".join(without) if without else "",
    )
    return ", ".join(filter(None, parts))


def unobserved(variables: Sequence[str]) -> str:
    """Return the line that names the variables that no stored state has."""
    names = ", ".join(variables)
    return f"states are without the variables that nothing observes: {names}"


def short(verdict: Verdict, kind: Kind) -> str:
    """Return `sentence` without what the lines about trust say."""
    match verdict:
        case Holds(exhaustive=True):
            return "no violation"
        case Holds(certificate=certificate):
            params = sorted(certificate.params) if certificate else []
            return f"inductive for any {', '.join(params)}" if params else "inductive"
        case Unreachable():
            return "unreachable"
        case Vacuous():
            return "vacuous"
        case Unknown(depth=depth) if depth:
            return f"unknown; {_none_within(kind, depth)}"
        case Unknown():
            return "unknown"
        case Violated() | Reached():
            return sentence(verdict, kind, {})


def cell(verdict: Verdict) -> str:
    """Return the verdict for one cell of a table."""
    match verdict:
        case Holds(exhaustive=True):
            return "holds"
        case Holds(certificate=certificate):
            params = certificate.params if certificate else ()
            return f"any {', '.join(sorted(params))}" if params else "inductive"
        case Violated(trace=trace):
            return f"violated at {len(trace)}"
        case Reached(trace=trace):
            return f"reached at {len(trace)}"
        case Unreachable():
            return "unreachable"
        case Vacuous():
            return "vacuous"
        case Unknown(depth=depth):
            return f"unknown past {depth}" if depth else "unknown"


def mark(verdict: Verdict) -> str:
    """Return the verdict in at most five columns; see MARKS."""
    match verdict:
        case Holds(exhaustive=True):
            return "holds"
        case Holds():
            return "any"
        case Violated(trace=trace):
            return f"V{len(trace)}"
        case Reached(trace=trace):
            return f"R{len(trace)}"
        case Unreachable():
            return "never"
        case Vacuous():
            return "vac"
        case Unknown(depth=depth):
            return f"?{depth}" if depth else "?"


def cell_mark(verdict: Verdict) -> str:
    """Return in at most three columns what a property that should hold, or be reached,
    came to."""
    match verdict:
        case Holds() | Reached():
            return "ok"
        case Unreachable():
            return "no"
        case _:
            return mark(verdict)


def key(verdict: Verdict) -> str:
    """Return the verdict's name in JSON."""
    match verdict:
        case Holds(exhaustive=False):
            return "inductive"
        case Reached():
            return "reached"
        case _:
            return expectation(verdict)


def _none_within(kind: Kind, depth: int) -> str:
    word = "witness" if kind.wants_witness else "violation"
    return f"no {word} within {count(depth, 'step')}"


def from_least(param: str, least: int | None) -> str:
    """Return ``B >= 1``, or ``B`` if any value counts."""
    return param if least is None else f"{param} >= {least}"
