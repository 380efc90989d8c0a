# SPDX-License-Identifier: GPL-2.0-only
"""What a patch means for the designs, as text of 75 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolproof.checker.core.text import count
from poolproof.checker.driver.judging import CheckResult, ExpectationStatus
from poolproof.checker.driver.patch import CitingMethod, Exercised, Modelled
from poolproof.checker.linux.patch import Patch
from poolproof.checker.linux.touched import Touched
from poolproof.checker.reports.text import indented, table, wrapped


def patch_report(
    patches: Sequence[Patch],
    found: Sequence[Touched],
    unfit: Sequence[str],
    exact: bool,
) -> list[str]:
    """Return the touched functions, file by file. ``exact``: a tree shows where
    functions begin and end."""
    lines = [line for p in patches for line in wrapped(p.subject, "", "    ") if line]
    rows = [_touched(one, exact) for one in found]
    lines += ["", *table(("touched", "+", "-", ""), rows)]
    for file in unfit:
        words = (
            f"{file}: the tree's text differs; functions are those of the hunk headers"
        )
        lines += indented(words)
    return lines[not lines[0] :]


def _touched(one: Touched, exact: bool) -> tuple[str, str, str, str]:
    what = f"now {one.renamed}" if one.renamed and one.function else ""
    if not one.function:
        what = "outside of functions" if exact else "unknown; use --tree DIR"
    return (one.name, str(one.added), str(one.removed), what)


def modelled_report(which: Sequence[Modelled], missing: Sequence[Touched]) -> list[str]:
    """Return the designs that model them, the places, and the functions that no design
    models."""
    lines: list[str] = []
    for m in which:
        lines += ["", *wrapped(_models(m), "", "    ")]
        for place in m.other if m.base else m.places:
            lines += indented(_place(place))
        if m.actions:
            lines += indented("actions: " + ", ".join(m.actions))
        if m.heirs:
            lines += indented("also for its subclasses " + ", ".join(m.heirs))
    if missing:
        names = ", ".join(t.name for t in missing)
        lines += ["", *wrapped(f"modelled by no design: {names}", "", "    ")]
    return lines


def _models(m: Modelled) -> str:
    number = len({p.touched.name for p in m.places})
    text = f"{m.known.name} models {count(number, 'function')} of these"
    if m.base:
        text += f", as {m.base}" + (" except" if m.other else ", but fewer")
    return text


def _place(place: CitingMethod) -> str:
    cited = place.citation
    text = f"{place.touched.function}: "
    if place.method:
        text += f"{cited.owner.__name__}.{place.method}"
    else:
        text += f"the docstring of {cited.owner.__name__}"
    if cited.span is not None:
        text += f", {cited.span.file}:{cited.span.line}"
    if cited.file not in (place.touched.file, place.touched.renamed):
        text += f" (cited as {cited.name})"
    return text


def specs_report(which: Sequence[Exercised]) -> list[str]:
    """Return the specs that exercise it."""
    names = dict.fromkeys(_name(e) for e in which)
    if not names:
        return ["", "no spec exercises it"]
    lines = wrapped(f"exercised by {count(len(names), 'spec')}: " + ", ".join(names))
    return ["", *lines]


def _name(e: Exercised) -> str:
    return e.spec.file.rpartition("/")[2].removesuffix(".spec")


def results_report(
    done: Sequence[CheckResult], left: Sequence[Exercised]
) -> Iterator[str]:
    """Return a line for each spec that was run, and what was not run."""
    rows = [
        (c.task.spec.file.rpartition("/")[2], c.task.known.name, _result(c))
        for c in done
    ]
    yield from ["", *table(("spec", "design", ""), rows)]
    if left:
        names = ", ".join(dict.fromkeys(map(_name, left)))
        yield from indented(f"not run, because the budget is spent: {names}")


def _result(checked: CheckResult) -> str:
    """``12 as expected``; what is not, by name."""
    answers = [a for a in checked.answers if not a.prop.assertion]
    by = {s: [a.prop.name for a in checked.answers if a.status is s] for s in _SAYS}
    parts = [f"{says} {', '.join(by[s])}" for s, says in _SAYS.items() if by[s]]
    if checked.defects:
        parts.insert(0, "the model is wrong")
    return "; ".join(parts) or f"{len(answers)} as expected"


_SAYS = {
    ExpectationStatus.UNMET: "UNEXPECTED",
    ExpectationStatus.OPEN: "not known",
    ExpectationStatus.VACUOUS: "vacuous",
}
