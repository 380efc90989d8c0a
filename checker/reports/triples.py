# SPDX-License-Identifier: GPL-2.0-only
"""A spec asked with any three features together: plain text of 75 columns."""

from __future__ import annotations

from collections.abc import Sequence

from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.text import count
from poolproof.checker.driver.judging import ExpectationStatus
from poolproof.checker.driver.triples import (
    TOGETHER,
    MinimalViolation,
    PropertyAnswer,
    Triples,
)
from poolproof.checker.reports.text import indented, run, table, why, wrapped
from poolproof.checker.reports.words import short


def triples_report(done: Triples, verbose: bool = False) -> list[str]:
    """Return a row for each property with the smallest sets that violate it, and the
    runs that nobody expected (with ``verbose``, all)."""
    task = done.task
    lines = wrapped(f"{task.spec.file}: {task.spec.title}", "", "    ")
    name = task.known.name
    if done.base is not None:
        name += f" against {done.base.name}"
    where = f"{name}, {show_bounds(task.set_bounds)}, any {TOGETHER} of "
    where += f"{count(len(done.features), 'feature')}: {', '.join(done.features)}"
    lines += ["", *indented(where), ""]
    lines += table(("", ""), [(a.prop.name, _text(a)) for a in done.answers])
    for answer in done.answers:
        if answer.broken:
            lines += [
                "",
                *indented(f"{answer.prop.name} is violated with"),
            ]
            for b in answer.broken:
                lines += wrapped(f"{named(b)}: {_after(b, answer)}", "    ", "      ")
    lines += ["", *indented(_counted(done))]
    for chosen, message in done.defects:
        lines += wrapped(f"THE MODEL IS WRONG with {' '.join(chosen)}: {message}", "  ")
    lines += _known(done)
    for answer in done.answers:
        for chosen in answer.gone:
            text = f"{answer.prop.name} is expected to be violated with "
            lines += indented(f"{text}{' + '.join(chosen)}, and is not")
    for answer in done.answers:
        if answer.broken and (verbose or answer.new):
            lines += ["", *_run((*answer.new, *answer.broken)[0])]
    return lines


def _known(done: Triples) -> list[str]:
    """Return with which sets the base violates the same, and whether there was a search
    for what that may hide."""
    sets = dict.fromkeys(
        named(b) for a in done.answers for b in a.broken if b.inherited
    )
    if not sets or done.base is None:
        return []
    text = f"{done.base.name} violates the same with {'; '.join(sets)}: "
    if done.hidden:
        text += f"{count(done.hidden, 'set')} with these features searched again, for "
        text += f"runs whose calls do not violate it in {done.base.name}"
        if done.hidden_unknown:
            text += f"; {done.hidden_unknown} of these searches did not end"
    else:
        text += (
            "other violations with these features were not searched for; "
            f"`--against {done.base.name}` does that"
        )
    return indented(text)


def _after(broken: MinimalViolation, answer: PropertyAnswer) -> str:
    text = f"after {count(len(broken.verdict.trace), 'step')}"
    return text + (", NEW" if broken in answer.new else "")


def named(broken: MinimalViolation) -> str:
    """Return the features of a set, and those that they need."""
    needed = [f for f in broken.having if f not in broken.chosen]
    text = " + ".join(broken.chosen) or "nothing on"
    return text + (f" (needs {', '.join(needed)})" if needed else "")


def _text(answer: PropertyAnswer) -> str:
    text = short(answer.verdict, answer.prop.kind)
    if answer.status is ExpectationStatus.UNMET:
        return f"{text}; UNEXPECTED" if answer.new else f"{text}; as expected, but:"
    return f"{text}, as expected" if answer.broken else text


def _counted(done: Triples) -> str:
    text = f"{count(done.sets, 'set')} of features"
    if done.searched < done.sets:
        text += f", {done.searched} searched"
    text += f", {count(done.states, 'state')}"
    return text + (f"; {done.lost}" if done.lost else "")


def _run(broken: MinimalViolation) -> Sequence[str]:
    title = f": {broken.prop.title}" if broken.prop.title else ""
    lines = wrapped(f"{broken.prop.name}{title}", "", "    ")
    lines += indented(f"with {named(broken)}")
    lines += run(broken.compiled, broken.replay)
    return [*lines, *why(broken.compiled.system, broken.prop, broken.replay)]
