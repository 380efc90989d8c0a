# SPDX-License-Identifier: GPL-2.0-only
"""What differs between an heir and its base, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from poolproof.checker.core.text import count
from poolproof.checker.driver.against import Change, Compared, PropertyDifference
from poolproof.checker.driver.judging import CheckResult, PropertyResult
from poolproof.checker.driver.triples import LABEL, Triples
from poolproof.checker.reports.branches import places
from poolproof.checker.reports.check import settings
from poolproof.checker.reports.json import run_json, triples_json
from poolproof.checker.reports.text import broken_by, indented, run, table, why, wrapped
from poolproof.checker.reports.words import key, short


def against_report(compared: Compared) -> list[str]:
    """Return the differences under one spec, and the runs that show them; nothing
    where there are none."""
    task, base = compared.task, compared.base.known.name
    if not (compared.differs or compared.unknown or compared.wrong):
        return []
    lines = wrapped(f"{task.spec.file}: {task.spec.title}", "", "    ")
    lines += indented(f"{task.known.name} against {base}, {settings(task)}")
    rows = [(d.prop.name, _words(d, base)) for d in compared.differences]
    if rows:
        lines += ["", *table(("", ""), rows)]
    for some, words in (
        (compared.dead, f"never here, though {base} has it"),
        (compared.new, f"here, though {base} never has it"),
    ):
        if some:
            lines += ["", *indented(f"{words}: {', '.join(some)}")]
    if compared.never:
        text = f"never taken, other than in {base}: {places(compared.never)}"
        lines += ["", *indented(text)]
    for checked in (compared.here, compared.there):
        lines += _errors(checked) if checked is not None else []
    system = task.compiled.system
    for d in compared.differences:
        if d.run is not None:
            title = f": {d.prop.title}" if d.prop.title else ""
            lines += ["", *wrapped(f"{d.prop.name}{title}", "", "    ")]
            lines += run(task.compiled, d.run)
            if d.parting:
                text = f"{base}, by the same calls: {d.parting}"
                lines += indented(text)
            lines += why(system, d.prop, d.run)
    return lines


def against_totals(
    done: Sequence[Compared], together: Sequence[Triples] = ()
) -> list[str]:
    """Return one line: how many specs and properties were compared, also with sets of
    features, and on how many something differs."""
    pairs = dict.fromkeys((c.task.known.name, c.base.known.name) for c in done)
    names = ", ".join(f"{one} against {base}" for one, base in pairs)
    asked = count(len(done), "spec")
    asked += f", {count(sum(c.properties for c in done), 'property')}"
    if together:
        asked += f"; {count(sum(t.sets for t in together), 'set')} of features"
    new = sum(any(a.new for a in t.answers) for t in together)
    different = sum(c.differs for c in done) + new
    unknown = sum(c.unknown and not c.differs for c in done)
    if not different and not unknown:
        same = sum(c.same for c in done)
        text = ", the same transition system" if same == len(done) else ""
        lines = wrapped(f"{names}: no difference{text} ({asked})", "", "  ")
        return lines if together else lines + _not_together(done)
    parts = [f"differences under {count(different, 'spec')}"] if different else []
    parts += [f"unknown under {count(unknown, 'spec')}"] if unknown else []
    return wrapped(f"{names}: {', '.join(parts)} ({asked})", "", "  ")


def _not_together(done: Sequence[Compared]) -> list[str]:
    """Return which specs a check with any three features together would add to."""
    specs = dict.fromkeys(
        Path(c.task.spec.file).stem
        for c in done
        if any(b.label == LABEL for b in c.task.spec.bounds)
    )
    if not specs:
        return []
    text = f"not checked with any three features together: check {' '.join(specs)} "
    return wrapped(f"{text}--triples does that", "", "  ")


def _words(d: PropertyDifference, base: str) -> str:
    mine, its = _answer(d.here), _answer(d.there)
    match d.change:
        case Change.OTHER if d.other is not None:
            steps = count(len(d.other.trace), "step")
            return f"another violation, after {steps}; {base}: {its}"
        case Change.UNKNOWN:
            return f"{mine}; {base}: {its}; {d.why}"
        case _:
            return f"{mine}; {base}: {its}"


def _answer(answer: PropertyResult | None) -> str:
    return "n/a" if answer is None else short(answer.verdict, answer.prop.kind)


def _errors(checked: CheckResult) -> Iterator[str]:
    compiled, name = checked.task.compiled, checked.task.known.name
    for defect, replayed in checked.defects:
        yield from ["", f"{name}: THE MODEL IS WRONG", *run(compiled, replayed)]
        yield from broken_by(replayed, defect.message, defect.obligation)


def against_json(
    done: Sequence[Compared], together: Sequence[Triples], code: int
) -> dict[str, Any]:
    """Return all that a comparison says."""
    made: dict[str, Any] = {"exit": code, "compared": [_one(c) for c in done]}
    if together:
        made["triples"] = triples_json(together, code)["specs"]
    return made


def _one(compared: Compared) -> dict[str, Any]:
    task, system = compared.task, compared.task.compiled.system
    return {
        "spec": task.spec.file,
        "design": task.known.reference,
        "against": compared.base.known.reference,
        "bounds": dict(sorted(task.compiled.bounds.items())),
        "without": list(task.sizes.without),
        "with": list(task.sizes.having),
        "properties": compared.properties,
        "same_system": compared.same,
        "dead": list(compared.dead),
        "new": list(compared.new),
        "never": [str(r.branch.span) for r in compared.never],
        "differences": [
            {
                "property": d.prop.name,
                "change": d.change.value,
                "here": d.here and key(d.here.verdict),
                "there": d.there and key(d.there.verdict),
                "why": d.why,
                "parting": d.parting,
                "trace": d.run and run_json(system, d.run),
            }
            for d in compared.differences
        ],
    }
