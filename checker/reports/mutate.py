# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a design and what became of them, as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from poolproof.checker.core.system import Span
from poolproof.checker.core.text import count
from poolproof.checker.driver.mutate import Campaign, MutantStatus
from poolproof.checker.reports.text import table, wrapped

KINDS = {
    "guard": "guards dropped",
    "assumption": "assumptions dropped",
    "if": "conditions negated",
    "update": "updates dropped",
    "amount": "amounts by one",
    "comparison": "<=, < exchanged",
}
"""The kinds of change, and what the table calls them."""


def mutation_report(done: Campaign) -> list[str]:
    """The score and the survivors, each with its place."""
    head = f"{done.design}: {count(done.total, 'mutant')}"
    if done.chosen < done.total or done.stopped:
        head += f", of which {len(done.results)} were tried (seed {done.seed})"
    lines = wrapped(head, "", "    ")
    if done.stopped:
        lines += wrapped(f"ended by: {done.stopped}", "  ", "    ")
    lines += wrapped(f"specs: {', '.join(done.specs)}", "  ", "    ")
    if done.incomplete:
        lines += wrapped(
            f"not all states (the first {done.states:,}) of: "
            + ", ".join(done.incomplete),
            "  ",
            "    ",
        )
    rows = []
    for kind, text in KINDS.items():
        mine = [r.fate for r in done.results if r.mutant.kind == kind]
        rows.append((text, *(str(mine.count(f)) for f in MutantStatus)))
    fates = [r.fate for r in done.results]
    rows.append(("all", *(str(fates.count(f)) for f in MutantStatus)))
    lines += ["", *table(("", *(f.value for f in MutantStatus)), rows), ""]
    lines += wrapped(
        "same: no step differs in any state visited. unused: no spec's features "
        "lead there. undecided: the mutant's states are more than three times "
        "the original's.",
        "  ",
        "  ",
    )
    score = done.score
    if score is None:
        return [*lines, "", "no score: no mutant changes a step"]
    killed, counted = (
        len(done.of(MutantStatus.KILLED)),
        len(fates) - fates.count(MutantStatus.SAME),
    )
    lines += [
        "",
        f"score: {killed} of {counted} killed, {100 * score:.0f} %",
        f"text: {done.text}",
    ]
    for fate in (MutantStatus.SURVIVED, MutantStatus.UNDECIDED, MutantStatus.UNUSED):
        found = done.of(fate)
        if found:
            lines += ["", f"{fate.value}:"]
        for r in found:
            m = r.mutant
            where = f"{m.span.file}:{m.span.line}: {m.method}"
            lines += wrapped(where, "  ", "    ")
            lines += wrapped(_shortened(m.what), "      ", "        ")
    same = done.of(MutantStatus.SAME)
    if same:
        lines += ["", "same, by line:", *_by_line(r.mutant.span for r in same)]
    return lines


def _by_line(spans: Iterable[Span]) -> list[str]:
    """``model/blocks/hstate.py:117, 120``, a file after the other."""
    found: dict[str, set[int]] = {}
    for span in spans:
        found.setdefault(span.file, set()).add(span.line)
    lines = []
    for file, numbers in sorted(found.items()):
        text = f"{file}:{', '.join(map(str, sorted(numbers)))}"
        lines += wrapped(text, "  ", "    ")
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= 180 else f"{text[:140]} ... {text[-35:]}"
