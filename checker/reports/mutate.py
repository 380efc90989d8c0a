# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a design and what became of them, as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from poolproof.checker.core.system import Span
from poolproof.checker.core.text import count
from poolproof.checker.driver.mutants import Mutant
from poolproof.checker.driver.mutate import MutantStatus
from poolproof.checker.driver.mutation_run import MutationRun
from poolproof.checker.reports.text import indented, table, wrapped

KINDS = {
    "guard": "guards",
    "assumption": "assumes",
    "if": "conditions",
    "update": "updates",
    "amount": "amounts",
    "comparison": "comparisons",
}
"""The kinds of change, and what the table calls them."""


def mutation_report(done: MutationRun) -> list[str]:
    """Return the score and the survivors, each with its place."""
    lines = [*_heading(done), "", *_statuses(done), ""]
    if done.score is None:
        return [*lines, "no score: no mutant changes a step"]
    lines += [_score(done, done.score), f"text: {done.text}"]
    for fate in (MutantStatus.SURVIVED, MutantStatus.UNDECIDED, MutantStatus.UNUSED):
        found = done.of(fate)
        if found:
            lines += ["", f"{fate.value}:"]
        for r in found:
            lines += _where(r.mutant)
    lines += _equivalent(done)
    same = done.of(MutantStatus.SAME)
    if same:
        lines += ["", "same, by line:", *_by_line(r.mutant.span for r in same)]
    return lines


def _heading(done: MutationRun) -> list[str]:
    """Return the number of mutants that were tried, and the specs."""
    head = f"{done.design}: {count(done.total, 'mutant')}"
    if done.chosen < done.total or done.stopped:
        head += f", of which {len(done.results)} were tried (seed {done.seed})"
    lines = wrapped(head, "", "    ")
    notes = [f"specs: {', '.join(done.specs)}"]
    if done.stopped:
        notes.insert(0, f"ended by: {done.stopped}")
    if done.bases:
        bases = " and ".join(done.bases)
        notes.insert(0, f"of its own text; the rest is scored with {bases}")
    if done.incomplete:
        files = ", ".join(done.incomplete)
        notes.append(f"not all states (the first {done.states:,}) of: {files}")
    return lines + [line for note in notes for line in indented(note)]


def _statuses(done: MutationRun) -> list[str]:
    """Return the table of kinds of change by status, and the statuses explained."""
    rows = []
    for kind, text in KINDS.items():
        mine = [r.fate for r in done.results if r.mutant.kind == kind]
        rows.append((text, *(str(mine.count(f)) for f in MutantStatus)))
    fates = [r.fate for r in done.results]
    rows.append(("all", *(str(fates.count(f)) for f in MutantStatus)))
    return [
        *table(("", *(f.value for f in MutantStatus)), rows),
        "",
        *wrapped(
            "Guards, assumes and updates were dropped, conditions negated, amounts "
            "changed by one, < and <= exchanged. Same: no step differs in any state "
            "visited. Unused: no spec's features lead there. Undecided: the mutant's "
            "states are more than three times the original's. Equivalent: nobody can "
            "tell, for the reason below.",
            "  ",
            "  ",
        ),
    ]


def _score(done: MutationRun, score: float) -> str:
    """Return the score as one line, which the review prints. It is rounded down: 100 %
    means that no mutant lives."""
    killed = len(done.of(MutantStatus.KILLED))
    text = f"score: {killed} of {done.counted} killed, {int(100 * score)} %"
    if len(done.results) < done.total:
        text += f", in a sample of {len(done.results)}"
    if done.bases:
        text += f", without the text of {done.bases[0]}"
    return text


def _where(mutant: Mutant) -> list[str]:
    """Return the place of a mutant, and its change."""
    where = f"{mutant.span.file}:{mutant.span.line}: {mutant.method}"
    return [
        *indented(where),
        *wrapped(_shortened(mutant.what), "      ", "        "),
    ]


def _equivalent(done: MutationRun) -> list[str]:
    """Return the equivalent mutants by reason, then those that were listed as
    equivalent but killed."""
    lines: list[str] = []
    found = done.of(MutantStatus.EQUIVALENT)
    for why in dict.fromkeys(r.by for r in found):
        lines += ["", *wrapped(f"equivalent: {why}", "", "  ")]
        for r in found:
            if r.by == why:
                lines += _where(r.mutant)
    if done.refuted:
        lines += ["", "listed as equivalent, but killed:"]
        for r in done.refuted:
            lines += _where(r.mutant)
            lines += wrapped(f"by {r.by}", "      ", "        ")
    return lines


def _by_line(spans: Iterable[Span]) -> list[str]:
    """``model/blocks/hstate.py:117, 120``, a file after the other."""
    found: dict[str, set[int]] = {}
    for span in spans:
        found.setdefault(span.file, set()).add(span.line)
    lines = []
    for file, numbers in sorted(found.items()):
        text = f"{file}:{', '.join(map(str, sorted(numbers)))}"
        lines += indented(text)
    return lines


def _shortened(text: str) -> str:
    return text if len(text) <= 180 else f"{text[:140]} ... {text[-35:]}"
