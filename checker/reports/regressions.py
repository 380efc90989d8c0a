# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue of bugs, and a design asked for them: plain text of 75 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poolproof.checker.core.text import count
from poolproof.checker.core.verdict import Unknown
from poolproof.checker.driver.regressions import BugEntry, BugResult, Regression
from poolproof.checker.reports.text import indented, run, table, why, wrapped
from poolproof.checker.reports.words import sizes

HEAD = ("fix", "steps", "states", "seconds")


def commit(entry: BugEntry) -> str:
    """Return the entry's commit with its release, as in the first column."""
    name = entry.bug.commit or "(no hash)"
    return f"{name} {entry.bug.release}".rstrip()


def seconds(found: BugResult) -> str:
    """Return the seconds, rounded up: the first digit that says something."""
    return f"{found.seconds:.1f}"


def bugs_table(found: Sequence[BugResult]) -> list[str]:
    """Return a line for each entry that is found, with its symptom below; then
    those that are not, and what the model lacks for the others."""
    caught = [f for f in found if f.steps is not None]
    missed = [f for f in found if f.steps is None and not f.missing]
    lacking = [f for f in found if f.missing]
    lines: list[str] = []
    rows = [
        (commit(f.entry), str(f.steps), f"{f.states:,}", seconds(f)) for f in caught
    ]
    head, *printed = table(HEAD, rows) if rows else [""]
    lines.append(head)
    for line, f in zip(printed, caught, strict=True):
        text = f"{f.entry.bug.symptom} ({f.entry.bug.detected})"
        lines += [line, *wrapped(text, "      ", "      ")]
    if missed:
        lines += ["", "  not found:"]
        lines += table(("", ""), [(commit(f.entry), _why_missed(f)) for f in missed])
    if lacking:
        lines += ["", "  not in the model yet:"]
        for f in lacking:
            lines += wrapped(
                f"{commit(f.entry)}  {f.entry.bug.symptom}", "  ", "      "
            )
            lines += wrapped(f"needs {f.missing}", "      ", "        ")
    lines += ["", *indented(_totals(found))]
    return lines


def bugs_markdown(found: Sequence[BugResult]) -> str:
    """Return the table of `bugs_table` as a Markdown page. Seconds are not in it,
    so that the page is the same on every machine."""
    lines = [
        "# Bugs that kernels once had",
        "",
        "Each bug is put back into the present design by a few lines, and found by a",
        "property that was not written for it. `poolproof bugs` prints this table, and",
        "`poolproof bugs my.py:MyHugetlb` looks for all of them in your own design. A",
        "hash with a `?` is from memory.",
        "",
        "| fix | in | what went wrong | found by | steps | states |",
        "|---|---|---|---|---|---|",
    ]
    for f in found:
        bug = f.entry.bug
        cells = [f"`{bug.commit}`" if bug.commit else "-", bug.release, bug.symptom]
        if f.missing:
            cells += [f"not yet: {f.missing}", "", ""]
        else:
            cells += [f"`{bug.detected}`", str(f.steps or "-"), f"{f.states:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _totals(found) + ".", ""])


def _why_missed(found: BugResult) -> str:
    match found.verdict:
        case Unknown(reason=reason):
            return f"unknown: {reason}"
        case _:
            return f"{found.entry.bug.detected} is not violated"


def _totals(found: Sequence[BugResult]) -> str:
    caught = [f for f in found if f.steps is not None]
    lacking = sum(bool(f.missing) for f in found)
    general = sum(f.by_invariant for f in caught)
    text = f"{count(len(found), 'bug')}: {len(caught)} found, {general} of them by "
    text += "invariants, which name no call"
    if caught:
        most = max(f.steps or 0 for f in caught)
        text += f"; at most {count(most, 'step')}"
    if lacking:
        text += f"; {lacking} need something that the model lacks"
    return text


def runs(found: Iterable[BugResult]) -> list[str]:
    """Return the run of each violation, and why it is one."""
    lines: list[str] = []
    for f in found:
        if f.replay is None or f.prop is None or f.compiled is None:
            continue
        lines += ["", *wrapped(f"{commit(f.entry)}: {f.entry.bug.symptom}", "", "    ")]
        lines += wrapped(f"({f.entry.bug.detected})", "  ", "   ")
        own = sizes(f.entry.bug.bounds, f.compiled.having, ())
        lines += indented(f"{f.design.__name__}, {own}")
        lines += run(f.compiled, f.replay)
        lines += why(f.compiled.system, f.prop, f.replay)
    return lines


def regressions_report(name: str, done: Sequence[Regression]) -> list[str]:
    """Return which bugs a user's design has again, each with its run."""
    asked = [r for r in done if not r.found.missing]
    back = [r for r in asked if r.is_back]
    kept = [r for r in asked if r.found.steps is not None and not r.is_back]
    unknown = [r for r in asked if r.found.steps is None and not r.found.clean]
    lines = wrapped(f"{name}: {_asked(asked, back)}", "", "    ")
    for r in back:
        text = f"{commit(r.found.entry)} is back, after "
        text += f"{count(r.found.steps or 0, 'step')}: {r.found.entry.bug.symptom}"
        lines += indented(text)
    if kept:
        lines += ["", "  as in the design that it inherits:"]
        rows = [(commit(r.found.entry), r.found.entry.bug.symptom) for r in kept]
        lines += table(("", ""), rows)
    if unknown:
        lines += ["", "  not known:"]
        for r in unknown:
            lines += wrapped(f"{commit(r.found.entry)}  {_why_missed(r.found)}", "  ")
    left = [r for r in done if r.found.missing]
    if left:
        reasons = dict.fromkeys(r.found.missing for r in left)
        text = f"{count(len(left), 'bug')} not searched for: {'; '.join(reasons)}"
        lines += ["", *indented(text)]
    return lines + runs(r.found for r in back)


def _asked(asked: Sequence[Regression], back: Sequence[Regression]) -> str:
    text = f"{count(len(asked), 'regression')} checked for; "
    if not back:
        return text + "none is back"
    return text + f"{len(back)} {'is' if len(back) == 1 else 'are'} back"
