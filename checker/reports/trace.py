# SPDX-License-Identifier: GPL-2.0-only
"""A stored trace: as plain text for people, and as the file itself."""

from __future__ import annotations

from dataclasses import replace

from poolproof.checker.core.verdict import Defect, Shown, shown_by
from poolproof.checker.driver.assumptions import AssumptionResult
from poolproof.checker.driver.judging import PropertyResult
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.driver.task import Task
from poolproof.checker.evidence.replay import Replay
from poolproof.checker.evidence.trace_file import Heading, write
from poolproof.checker.reports.text import broken_by, indented, run, why, wrapped
from poolproof.checker.reports.words import assuming, key, sentence, sizes


def trace_report(replayed: Replayed) -> list[str]:
    """Return the run in plain text, and why it counts."""
    heading, system = replayed.heading, replayed.compiled.system
    title = heading.property or heading.shows
    if heading.title:
        title += f": {heading.title}"
    lines = wrapped(title, "", "    ")
    if heading.source:
        lines += wrapped(f"({heading.source})", "  ", "   ")
    lines += indented(_circumstances(heading))
    for reason in heading.assuming:
        lines += indented(assuming(AssumptionResult(reason)))
    lines += ["", *run(replayed.compiled, replayed.replay)]
    if replayed.prop is not None:
        lines += why(system, replayed.prop, replayed.replay)
        prop = replayed.prop
        verdict = shown_by(prop, replayed.replay.trace, heading.shortest)
        lines += ["", "  " + sentence(verdict, prop.kind, heading.bounds)]
    elif heading.shows == "defect":
        lines += broken_by(replayed.replay, heading.title, None)
    else:
        lines += ["  no action is possible here"]
    return lines


def _circumstances(heading: Heading) -> str:
    own = sizes(heading.bounds, heading.having, heading.without)
    return ", ".join(filter(None, (heading.design, own)))


# --- the file -------------------------------------------------------------


def trace_text(task: Task, answer: PropertyResult) -> str:
    """Return the trace file of a violated property, or of a witness."""
    shown = replayed_of(task, answer)
    return write(shown.heading, task.compiled, shown.replay)


def replayed_of(task: Task, answer: PropertyResult) -> Replayed:
    """Return the run of a violated property, or of a witness, as its trace file will
    have it."""
    assert answer.replay is not None
    assert isinstance(answer.verdict, Shown)
    heading = replace(
        _heading(task, key(answer.verdict), answer.replay),
        shortest=answer.verdict.shortest,
        spec=task.spec.file,
        property=answer.prop.name,
        title=answer.prop.title,
        source=answer.prop.source,
    )
    return Replayed(heading, task.compiled, answer.prop, answer.replay)


def defect_text(task: Task, defect: Defect, replayed: Replay) -> str:
    """Return the trace file of an error of the model."""
    heading = replace(_heading(task, "defect", replayed), title=defect.message)
    return write(heading, task.compiled, replayed)


def _heading(task: Task, shows: str, replayed: Replay) -> Heading:
    return Heading(
        design=task.known.reference,
        bounds=task.set_bounds,
        shows=shows,
        depth=len(replayed.trace),
        without=task.sizes.without,
        having=task.sizes.having,
        loop=replayed.trace.loop,
        assuming=task.compiled.system.assumptions,
    )
