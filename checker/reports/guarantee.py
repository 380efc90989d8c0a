# SPDX-License-Identifier: GPL-2.0-only
"""Which feature breaks a promise first, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import count
from poolproof.checker.driver.guarantee import Finding, Guarantee
from poolproof.checker.evidence.replay import show_step
from poolproof.checker.reports.text import indented, table, wrapped
from poolproof.checker.reports.words import assuming

NO_EFFECT = "no effect: at these sizes, every run is also possible without the feature."


def finding_text(finding: Finding) -> str:
    """Return in a few words what came out for one combination."""
    if finding.effect is False:
        return "no effect"
    if finding.defect:
        return f"the model breaks: {finding.defect}"
    if finding.depth is not None:
        return f"broken after {count(finding.depth, 'step')}"
    if finding.assertion:
        return f"not broken, but {finding.assertion} is violated"
    if finding.vacuous:
        return "vacuous"
    return "holds" if finding.complete else "not broken, not all states visited"


def guarantee_report(done: Sequence[Guarantee]) -> list[str]:
    """Return a table for each design, then one for all of them, in 75 columns."""
    lines: list[str] = []
    for one in done:
        lines += [*_design_report(one), ""]
    rows = []
    for g in done:
        plain = next(iter(g.of(0)), None)
        rows.append(
            (
                g.known.name,
                finding_text(plain) if plain else "n/a",
                f"n/a: {g.missing}" if g.missing else _first(g),
            )
        )
    return [*lines, *table(("design", "nothing on", "what breaks it first"), rows)]


def _first(g: Guarantee) -> str:
    first = g.first
    if first is None:
        sure = not g.stopped and all(f.complete for f in g.findings)
        return "nothing" if sure else "nothing found"
    return f"{_named(first)}, after {count(first.depth or 0, 'step')}"


def _named(finding: Finding) -> str:
    text = " + ".join(finding.features) or "nothing on"
    return text + (f" (needs {', '.join(finding.needed)})" if finding.needed else "")


def _design_report(g: Guarantee) -> list[str]:
    head = f"{g.known.name}: {g.name}" + (f" ({g.title})" if g.title else "")
    lines = wrapped(head, "", "    ")
    for size in g.sizes:
        lines += indented(show_bounds(size) or "no bounds")
    if g.missing:
        return [*lines, *indented(f"n/a: {g.missing}")]
    singles = [*g.of(0), *g.of(1)]
    lines += ["", *table(("", ""), [(_named(f), finding_text(f)) for f in singles])]
    if any(f.effect is False for f in singles):
        lines += ["", *wrapped(NO_EFFECT, "  ", "  ")]
    sets = list(g.together())
    if sets:
        lines += ["", "  only together:"]
        lines += table(("", ""), [(_named(f), finding_text(f)) for f in sets])
    if repaired := list(g.repaired()):
        lines += indented("holds again with: " + ", ".join(_named(f) for f in repaired))
    lines += ["", *indented(_counted(g))]
    for a in g.assumptions:
        lines += indented(assuming(a))
    first = g.first
    if first is not None and first.replay is not None and first.compiled is not None:
        lines += ["", *indented(f"first broken with {_named(first)}:")]
        lines += wrapped(show_bounds(first.compiled.bounds), "    ", "      ")
        for number, taken in enumerate(first.replay.taken, 1):
            call = show_step(first.compiled.system, taken.step, taken.result)
            lines += wrapped(call, f"  {number:>3}. ", "       ")
    return lines


def _counted(g: Guarantee) -> str:
    open_ = sum(f.depth is None and not f.complete and not f.defect for f in g.findings)
    text = "; ".join(_broken_of(g, number) for number in g.sizes_of_sets)
    text = text or "no pairs tried"
    if open_:
        text += f"; {open_} combinations where not all states were visited"
    return text + (f"; {g.stopped}" if g.stopped else "")


def _broken_of(g: Guarantee, number: int) -> str:
    sets = g.of(number)
    broken = sum(f.depth is not None for f in sets)
    if number > 3:
        return f"{count(len(sets), 'set')} of {number}: {broken} broken"
    return f"{count(len(sets), 'pair' if number == 2 else 'triple')}: {broken} broken"
